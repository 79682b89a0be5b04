package memcachetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Over a line with a round trip of 100 ms, 100 keys take no longer than five of
// them, once there are connections. A driver whose client has no replace reads
// first, and then it is twice as many.
func multiVerbsTakeFewRoundTrips(v *victim) {
	const roundTrip = 100 * time.Millisecond
	proxy := StartProxy(v, Start(v, nil).Addr(), nil)
	c := v.open(patient, proxy.Addr())
	ctx := v.Context()
	keys, values := numbered(100)
	near := func() { proxy.Set(nil) }
	far := func() { proxy.Set(&ProxyOptions{RoundTrip: roundTrip}) }
	set := func() error { return c.SetMulti(ctx, values, 0) }
	remove := func() error { return c.DeleteMulti(ctx, keys) }
	replaceTrips := time.Duration(1)
	v.wantErr("SetMulti", set(), nil)
	far()
	start := time.Now()
	v.wantErr("Replace", c.Replace(ctx, keys[0], nil, 0), nil)
	if time.Since(start) >= 2*roundTrip {
		replaceTrips = 2
	}
	near()
	for _, verb := range []struct {
		name       string
		limit      time.Duration
		before, do func() error
	}{
		{"SetMulti", 5 * roundTrip, set, set},
		{"ReplaceMulti", 5 * replaceTrips * roundTrip, set, func() error { return c.ReplaceMulti(ctx, values, 0) }},
		{"GetMulti", 5 * roundTrip, set, func() error {
			got, err := c.GetMulti(ctx, keys)
			if len(got) != len(keys) {
				v.Errorf("GetMulti answers %d items", len(got))
			}
			return err
		}},
		{"DeleteMulti", 5 * roundTrip, set, remove},
		{"AddMulti", 5 * roundTrip, remove, func() error { return c.AddMulti(ctx, values, 0) }},
	} {
		var took time.Duration
		for range 10 { // the machine may have other things to do
			v.wantErr("before "+verb.name, verb.before(), nil)
			far()
			start := time.Now()
			v.wantErr(verb.name, verb.do(), nil)
			took = time.Since(start)
			near()
			if took <= verb.limit {
				break
			}
		}
		if took > verb.limit {
			v.Errorf("%s took %v, want at most %v; a round trip takes %v", verb.name, took, verb.limit, roundTrip)
		}
	}
}

// Three servers answer nothing before each of them has been asked.
func multiVerbsAskAllServersAtOnce(v *victim) {
	const n = 3
	var asked atomic.Int32
	all := make(chan struct{})
	addrs := make([]string, n)
	for i, server := range StartN(v, n, nil) {
		var first sync.Once
		addrs[i] = StartHostile(v, func(c *Conn) {
			request := make([]byte, 1<<16)
			read, err := c.Read(request)
			if err != nil {
				return
			}
			first.Do(func() {
				if asked.Add(1) == n {
					close(all)
				}
			})
			select {
			case <-all:
				c.forward(request[:read], server.Addr())
			case <-c.hostile.done:
			}
		}).Addr()
	}
	c := v.open(patient, addrs...)
	keys, values := numbered(100)
	got, err := c.GetMulti(v.Context(), keys)
	if v.wantErr("GetMulti", err, nil); len(got) != 0 {
		v.Errorf("GetMulti answers %d items, want none", len(got))
	}
	v.wantErr("SetMulti", c.SetMulti(v.Context(), values, 0), nil)
	got, err = c.GetMulti(v.Context(), keys)
	if v.wantErr("GetMulti", err, nil); len(got) != len(keys) {
		v.Errorf("GetMulti answers %d items, want %d", len(got), len(keys))
	}
}

// forward connects the client, whose first bytes have been read, with the server
// at addr.
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
