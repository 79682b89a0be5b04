package memcachetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Every reply comes twice. Verbs may fail because of that, but none takes the second reply to
// one key for the reply to another.
func doubledRepliesAreNotTaken(d *driverTest) {
	server := Start(d, nil)
	direct := d.open(longTimeoutOptions, server.Addr())
	keys, values := numberedKeys(50)
	d.wantErr("SetMulti", direct.SetMulti(d.Context(), values, 0), nil)
	twice := &ProxyOptions{Twice: true}
	proxy := StartProxy(d, server.Addr(), twice)
	c := d.open(longTimeoutOptions, proxy.Addr())
	// A driver that asks a server what it is on each connection does not get beyond that, so that
	// replies do not come twice before.
	reconnect := func() {}
	if d.most == 1 {
		reconnect = func() {
			proxy.Set(nil)
			d.eventually("Get succeeds", func() bool {
				_, err := c.Get(d.Context(), keys[0])
				return err == nil
			})
			proxy.Set(twice)
		}
	}
	failed := 0
	check := func(call, key string, got []byte, err error) {
		d.Helper()
		if err != nil {
			failed++
		}
		switch {
		case err == nil && string(got) != string(values[key]):
			d.Errorf("%s of %s: %q, want %q", call, key, got, values[key])
		case err != nil && !errors.Is(err, core.ErrUnavailable):
			d.Errorf("%s of %s: error is %v, want %v", call, key, err, core.ErrUnavailable)
		}
	}
	for range 20 {
		for i, key := range keys[:len(keys)-3] {
			if i == 0 || failed > 0 {
				failed = 0
				reconnect()
			}
			got, err := c.Get(d.Context(), key)
			check("Get", key, got, err)
			// Not the same key: in the text protocol, its reply is the same again.
			others := keys[i+1 : i+3]
			items, err := c.GetMulti(d.Context(), others)
			for _, key := range others {
				check("GetMulti", key, items[key], keyError(err, key))
			}
		}
	}
}

// A reply claims to be as long as its protocol can say, or as memcached can store, and then
// has only a few bytes.
func lengthIsNotBelieved(d *driverTest) {
	for _, length := range []uint32{1 << 30, 1<<32 - 1} {
		server := StartHostile(d, func(c *Conn) {
			for {
				request, err := c.Request()
				if err != nil {
					return
				}
				if request[0] != binaryMagic {
					fmt.Fprintf(c, "VALUE k 0 %d 7\r\nvalue", length)
					continue
				}
				header := make([]byte, binaryHeader)
				header[0], header[1] = 0x81, request[1]
				header[4] = 4 // the flags
				binary.BigEndian.PutUint32(header[8:], length)
				copy(header[12:16], request[12:16])
				fmt.Fprintf(c, "%s\x00\x00\x00\x00value", header)
			}
		})
		c := d.open(shortTimeoutOptions, server.Addr())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Get(d.Context(), "k")
		runtime.ReadMemStats(&after)
		d.wantErr(fmt.Sprintf("Get of %d bytes", length), err, core.ErrUnavailable)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
			d.Errorf("for a length of %d, Get allocated %d MiB, want at most 64",
				length, allocated>>20)
		}
	}
}

// memcached looks for a minus sign after a counter of 2^63 or more, in bytes that other items
// have left, and then refuses to count. See safe_strtoull in its util.c.
func largeCountersCanBeChanged(d *driverTest) {
	server := Start(d, nil)
	c := d.open(longTimeoutOptions, server.Addr())
	ctx := d.Context()
	const day = 24 * 60 * 60
	// A date is of another clock than that of the server.
	const late = int(memcache.Resolution / time.Second)
	for i, tt := range []struct {
		name string
		call func() (uint64, error)
		want uint64
	}{
		{"Incr", func() (uint64, error) { return c.Incr(ctx, "n", 2) }, 1e19 + 2},
		{"Decr", func() (uint64, error) { return c.Decr(ctx, "n", 1) }, 1e19 - 1},
		{"Decr to 0", func() (uint64, error) { return c.Decr(ctx, "n", 1<<64-1) }, 0},
		{"Incr beyond 2^64", func() (uint64, error) { return c.Incr(ctx, "n", 9e18) },
			1e19 + 9e18 - (1 << 64)},
		{"IncrFrom", func() (uint64, error) { return c.IncrFrom(ctx, "n", 3, 0, 0) }, 1e19 + 3},
	} {
		// memcached takes a time of more than 30 days as a date.
		expiry, life := 500, 500
		switch i {
		case 1:
			expiry, life = int(time.Now().Unix())+40*day, 40*day
		case 2:
			expiry, life = 0, -1 // it never expires
		}
		// The first item leaves minus signs in the memory that the counter gets.
		server.Do("set n 0 0 34\r\n" + strings.Repeat("-", 34) + "\r\ndelete n\r\n" +
			fmt.Sprintf("set n 2 %d 20\r\n10000000000000000000", expiry))
		if reply := server.Do("incr n 0"); !strings.Contains(reply, "non-numeric") {
			d.Skipf("this memcached can count: incr of a number of 2^63 or more is %q", reply)
		}
		if got, err := tt.call(); got != tt.want || err != nil {
			d.Errorf("%s = %d, %v; want %d", tt.name, got, err, tt.want)
		}
		var n uint64
		var length, flags, ttl int
		reply := server.Do("mg n f t v")
		_, err := fmt.Sscanf(reply, "VA %d f%d t%d\r\n%d\r\n", &length, &flags, &ttl, &n)
		if err != nil || n != tt.want || flags != 2 ||
			ttl > life+late || ttl < life-100 || life == -1 && ttl != -1 {
			d.Errorf("after %s, the item is %q, want %d with flags 2 and about %d s to live",
				tt.name, reply, tt.want, life)
		}
	}
	server.Do("set text 0 0 4\r\ntext")
	_, err := c.Incr(ctx, "text", 1)
	d.wantErr("Incr of a text", err, core.ErrNotNumber)
	if got := server.Do("get text"); got != "VALUE text 0 4\r\ntext\r\nEND\r\n" {
		d.Errorf("after Incr, the text is %q", got)
	}
}
