package memcachepure_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Chunks keep each request short enough for its time-out.
func TestGetMultiSendsChunks(t *testing.T) {
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply("END\r\n")))
	c := openCache(t, longTimeoutOptions, server.Addr())
	keys := make([]string, 1100)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	got, err := c.GetMulti(t.Context(), keys)
	if len(got) != 0 || err != nil {
		t.Errorf("GetMulti = %v, %v; want no values", got, err)
	}
	requested := map[string]int{}
	for _, request := range server.Requests() {
		fields := strings.Fields(request)[1:] // after gets
		if len(fields) > 250 {
			t.Errorf("a request has %d keys, want 250 or fewer", len(fields))
		}
		for _, key := range fields {
			requested[key]++
		}
	}
	for _, key := range keys {
		if requested[key] != 1 {
			t.Errorf("%s was requested %d times, want once", key, requested[key])
		}
	}
	if n := len(server.Requests()); n != 5 {
		t.Errorf("%d requests, want 5", n)
	}
}

// A server that is slow with each item times out like one that sends nothing.
func TestTimeoutLimitsAllItemsTogether(t *testing.T) {
	const pause = 100 * time.Millisecond // shorter than the time-out, but 100 of them are longer
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	step := func(c *memcachetest.Conn, _ string) {
		for _, key := range keys {
			if _, err := fmt.Fprintf(c, "VALUE %s 0 1 7\r\nx\r\n", key); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
	c := openCache(t, shortTimeoutOptions, server.Addr())
	start := time.Now()
	values, err := c.GetMulti(t.Context(), keys)
	var multi *core.MultiError
	if !errors.As(err, &multi) || !errors.Is(multi.Errors["key-99"], core.ErrUnavailable) {
		t.Errorf("error is %v, want %v for the last key", err, core.ErrUnavailable)
	}
	took := time.Since(start)
	if took > time.Duration(len(keys))*pause/2 || len(values) == len(keys) {
		t.Errorf("GetMulti returned %d values after %v, want a time-out", len(values), took)
	}
}
