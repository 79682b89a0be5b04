package memcachemeta

import "time"

// inlineRounds is how many Writes a goroutine makes before another one is started for those that
// follow: most of them are for other goroutines.
const inlineRounds = 2

// write writes what is in out, until it is empty. The caller has set writing.
func (c *conn) write() {
	for range inlineRounds {
		c.mu.Lock()
		if c.bytes > inlineBytes || c.queue.len() > inlineCalls {
			c.mu.Unlock()
			break
		}
		if !c.writeOut() {
			return
		}
	}
	c.server.backend.spawn(func() {
		for {
			c.mu.Lock()
			if !c.writeOut() {
				return
			}
		}
	})
}

// writeOut writes what is in out now. It returns false, and ends the writing, if out is empty or
// the connection is closed. The caller holds mu, which writeOut unlocks.
func (c *conn) writeOut() bool {
	if c.err != nil || len(c.out) == 0 {
		c.writing = false
		c.mu.Unlock()
		return false
	}
	out := c.out
	c.out, c.spare = c.spare[:0], nil
	c.handed = c.appended
	// Over TLS, memcached before 1.6.39 ignores what follows the value of an ms in the same
	// Write until another byte arrives.
	nudge := c.isTLS && c.stores > 0 && !(c.stores == 1 && c.endStore)
	c.stores = 0
	if nudge {
		c.enqueueNudge()
	}
	c.mu.Unlock()
	c.Conn.SetWriteDeadline(time.Now().Add(c.server.backend.opts.Timeout))
	n, err := c.Conn.Write(out)
	if err == nil && nudge {
		_, err = c.Conn.Write([]byte("mn\r\n"))
	}
	c.mu.Lock()
	if cap(out) <= keepBuffer {
		c.spare = out
	}
	if err != nil {
		c.handed -= uint64(len(out) - n)
	}
	c.mu.Unlock()
	if err != nil {
		c.fail(err, nil)
	}
	return true
}

// enqueueNudge queues an mn whose bytes are written after those of out. The caller holds mu, and
// writes them.
func (c *conn) enqueueNudge() {
	k := newCall(verbPing, 1)
	k.start, k.begin, k.abandoned = time.Now(), c.appended, true
	c.queue.push(k)
}
