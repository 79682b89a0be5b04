package patterns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// longestPause is how many times as long as the first pause the longest one is.
	longestPause = 64

	// maxPauses is how many keys may pause. If there are more, one of them is forgotten.
	maxPauses = 1 << 16
)

// pauses are the keys whose load has failed, and which rest; see Options.Pause.
type pauses struct {
	first    time.Duration // Options.Pause
	errorTTL time.Duration // Options.ErrorTTL

	count atomic.Int64 // len(failed), to be read without mu

	mu sync.Mutex

	// failed has the last failure of each key. A failure is removed when a load succeeds, when
	// the key is written, and by sweep when the next pause would begin as if it was the first.
	// The map is guarded by mu.
	failed map[string]failure

	timer *time.Timer // guarded by mu: calls sweep; nil if failed is empty
}

// A failure describes the last failed load of a key.
type failure struct {
	err      error
	errUntil time.Time     // the error is returned again until then
	until    time.Time     // the end of the pause
	length   time.Duration // of the pause, without jitter
	forget   time.Time     // when the failure is forgotten
}

var errTooSlow = fmt.Errorf("patterns: the load took so long that it was cancelled: %w",
	context.DeadlineExceeded)

// fail notes that the loads of keys have failed with err.
func (p *pauses) fail(err error, keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = map[string]failure{}
	}
	now := time.Now()
	for _, key := range keys {
		f, again := p.failed[key]
		switch {
		case again && now.Before(f.forget):
			f.length = min(add(f.length, f.length), p.longest())
		default:
			f.length = p.first
		}
		length := f.length/2 + time.Duration(rand.Int64N(int64(f.length/2)+1))
		f.err, f.until, f.errUntil = err, now.Add(length), now.Add(min(length, p.errorTTL))
		// After the pause there is time for a load that takes long to fail.
		f.forget = now.Add(add(f.length, p.longest()))
		if !again && len(p.failed) >= maxPauses {
			for other := range p.failed { // any
				delete(p.failed, other)
				break
			}
		}
		p.failed[key] = f
	}
	p.count.Store(int64(len(p.failed)))
	if p.timer == nil {
		p.timer = time.AfterFunc(p.longest(), p.sweep)
	}
}

// longest returns the length of the longest pause.
func (p *pauses) longest() time.Duration {
	length := p.first
	for n := 1; n < longestPause; n *= 2 {
		length = add(length, length)
	}
	return length
}

// check reports whether key pauses, and returns the error of its load if that must be returned
// again in the place of a value.
func (p *pauses) check(key string) (paused bool, err error) {
	if p.count.Load() == 0 {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.failed[key]
	if !ok {
		return false, nil
	}
	now := time.Now()
	if now.Before(f.errUntil) {
		err = f.err
	}
	return now.Before(f.until), err
}

// end ends the pauses of keys.
func (p *pauses) end(keys ...string) {
	if p.count.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		delete(p.failed, key)
	}
	p.count.Store(int64(len(p.failed)))
}

// sweep removes the failures that are forgotten.
func (p *pauses) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil { // closed meanwhile
		return
	}
	now := time.Now()
	for key, f := range p.failed {
		if !now.Before(f.forget) {
			delete(p.failed, key)
		}
	}
	p.count.Store(int64(len(p.failed)))
	if len(p.failed) == 0 {
		p.failed, p.timer = nil, nil
		return
	}
	p.timer.Reset(p.longest())
}

// close forgets everything.
func (p *pauses) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.failed, p.timer = nil, nil
	p.count.Store(0)
}
