package memcachetest

import (
	"fmt"
	"time"
)

// memcached reads an expiry as 32 bits with a sign. An item with a later date than that of January
// 2038 expires at once or never, so that a driver must not send one. A longer time to live ends on
// this date, as Traits say, whichever verb sets it.
func longestTTLIsKept(d *driverTest) {
	server := Start(d, nil)
	c := d.open(longTimeoutOptions, server.Addr())
	ctx := d.Context()
	const second, century = time.Second, 100 * 365 * 24 * time.Hour
	longest := c.Traits().MaxTTL
	if longest <= 0 {
		d.Fatalf("Traits().MaxTTL is %v, want the time until January 2038", longest)
	}
	for _, ttl := range []time.Duration{longest, longest + 10*second, century} {
		if err := c.SetMulti(ctx, map[string][]byte{"Touch": nil, "Replace": nil}, 0); err != nil {
			d.Fatal(err)
		}
		for verb, store := range map[string]func(key string) error{
			"Set":     func(key string) error { return c.Set(ctx, key, nil, ttl) },
			"Replace": func(key string) error { return c.Replace(ctx, key, nil, ttl) },
			"Touch":   func(key string) error { return c.Touch(ctx, key, ttl) },
			"SetMulti": func(key string) error {
				return c.SetMulti(ctx, map[string][]byte{key: nil}, ttl)
			},
			"IncrFrom": func(key string) error {
				_, err := c.IncrFrom(ctx, key, 1, 0, ttl)
				return err
			},
		} {
			d.wantErr(verb, store(verb), nil)
			var left int
			reply := server.Do("mg " + verb + " t")
			if _, err := fmt.Sscanf(reply, "HD t%d\r\n", &left); err != nil {
				d.Errorf("%s with %v: %q, want that the item is there", verb, ttl, reply)
				continue
			}
			// The time of the traits was read some seconds ago.
			got := time.Duration(left) * second
			if got < longest-30*second || got > longest+c.Traits().Resolution {
				d.Errorf("%s with %v: the item lives for %v, want %v, the MaxTTL of the traits",
					verb, ttl, got, longest)
			}
		}
		d.wantErr("Flush", c.Flush(ctx), nil)
	}
}
