package memcachetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// With a round trip of 100 ms, a multi verb with 100 keys takes at most five round trips,
// if the driver has its connections. If the client of a driver has no replace command, the
// driver reads first, and ReplaceMulti may take twice as many.
func multiVerbsTakeFewRoundTrips(d *driverTest) {
	const roundTrip = 100 * time.Millisecond
	proxy := StartProxy(d, Start(d, nil).Addr(), nil)
	c := d.open(longTimeoutOptions, proxy.Addr())
	ctx := d.Context()
	keys, values := numberedKeys(100)
	addDelay := func() { proxy.Set(&ProxyOptions{RoundTrip: roundTrip}) }
	removeDelay := func() { proxy.Set(nil) }
	setAll := func() error { return c.SetMulti(ctx, values, 0) }
	deleteAll := func() error { return c.DeleteMulti(ctx, keys) }
	replaceAll := func() error { return c.ReplaceMulti(ctx, values, 0) }
	replaceTrips := time.Duration(1)
	d.wantErr("SetMulti", setAll(), nil)
	addDelay()
	start := time.Now()
	d.wantErr("Replace", c.Replace(ctx, keys[0], nil, 0), nil)
	if time.Since(start) >= 2*roundTrip {
		replaceTrips = 2
	}
	removeDelay()
	for _, verb := range []struct {
		name       string
		limit      time.Duration
		before, do func() error
	}{
		{"SetMulti", 5 * roundTrip, setAll, setAll},
		{"ReplaceMulti", 5 * replaceTrips * roundTrip, setAll, replaceAll},
		{"GetMulti", 5 * roundTrip, setAll, func() error {
			got, err := c.GetMulti(ctx, keys)
			if len(got) != len(keys) {
				d.Errorf("GetMulti returned %d items, want %d", len(got), len(keys))
			}
			return err
		}},
		{"DeleteMulti", 5 * roundTrip, setAll, deleteAll},
		{"AddMulti", 5 * roundTrip, deleteAll, func() error { return c.AddMulti(ctx, values, 0) }},
	} {
		var took time.Duration
		for range 10 { // because the machine may be busy
			d.wantErr("before "+verb.name, verb.before(), nil)
			addDelay()
			start := time.Now()
			d.wantErr(verb.name, verb.do(), nil)
			took = time.Since(start)
			removeDelay()
			if took <= verb.limit {
				break
			}
		}
		if took > verb.limit {
			d.Errorf("%s took %v, want at most %v; a round trip takes %v",
				verb.name, took, verb.limit, roundTrip)
		}
	}
}

// No server replies before all three have received a request.
func multiVerbsSendToAllServersAtOnce(d *driverTest) {
	const n = 3
	var reached atomic.Int32
	allReached := make(chan struct{})
	addrs := make([]string, n)
	for i, server := range StartN(d, n, nil) {
		var once sync.Once
		addrs[i] = StartHostile(d, func(c *Conn) {
			request := make([]byte, 1<<16)
			read, err := c.Read(request)
			if err != nil {
				return
			}
			once.Do(func() {
				if reached.Add(1) == n {
					close(allReached)
				}
			})
			select {
			case <-allReached:
				c.forward(request[:read], server.Addr())
			case <-c.hostile.done:
			}
		}).Addr()
	}
	c := d.open(longTimeoutOptions, addrs...)
	keys, values := numberedKeys(100)
	got, err := c.GetMulti(d.Context(), keys)
	if d.wantErr("GetMulti", err, nil); len(got) != 0 {
		d.Errorf("GetMulti returned %d items, want none", len(got))
	}
	d.wantErr("SetMulti", c.SetMulti(d.Context(), values, 0), nil)
	got, err = c.GetMulti(d.Context(), keys)
	if d.wantErr("GetMulti", err, nil); len(got) != len(keys) {
		d.Errorf("GetMulti returned %d items, want %d", len(got), len(keys))
	}
}

// forward copies bytes between the client and the server at addr until one of them closes its
// connection. First are the bytes that were already read from the client.
func (c *Conn) forward(first []byte, addr string) {
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	server.Write(first)
	go func() {
		io.Copy(server, c)
		server.Close()
	}()
	io.Copy(c, server)
}
