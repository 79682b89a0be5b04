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

// So that no request is too long for its time-out.
func TestGetMultiAsksInChunks(t *testing.T) {
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply("END\r\n")))
	c := openCache(t, patient, server.Addr())
	keys := make([]string, 1100)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	got, err := c.GetMulti(t.Context(), keys)
	if len(got) != 0 || err != nil {
		t.Errorf("GetMulti = %v, %v", got, err)
	}
	asked := map[string]int{}
	for _, request := range server.Requests() {
		fields := strings.Fields(request)[1:] // behind gets
		if len(fields) > 250 {
			t.Errorf("a request has %d keys", len(fields))
		}
		for _, key := range fields {
			asked[key]++
		}
	}
	for _, key := range keys {
		if asked[key] != 1 {
			t.Errorf("%s was asked for %d times", key, asked[key])
		}
	}
	if n := len(server.Requests()); n != 5 {
		t.Errorf("%d requests, want 5", n)
	}
}

// A server that takes its time for each item may take no longer for all than one
// that is silent.
func TestTheTimeOutHoldsForAllItemsTogether(t *testing.T) {
	const pause = 100 * time.Millisecond // less than the time-out, but not 100 times
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(func(c *memcachetest.Conn, _ string) {
		for _, key := range keys {
			if _, err := fmt.Fprintf(c, "VALUE %s 0 1 7\r\nx\r\n", key); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}))
	c := openCache(t, impatient, server.Addr())
	start := time.Now()
	values, err := c.GetMulti(t.Context(), keys)
	var multi *core.MultiError
	if !errors.As(err, &multi) || !errors.Is(multi.Errors["key-99"], core.ErrUnavailable) {
		t.Errorf("error is %v, want that of the last key to be %v", err, core.ErrUnavailable)
	}
	if took := time.Since(start); took > time.Duration(len(keys))*pause/2 || len(values) == len(keys) {
		t.Errorf("GetMulti answered %d values after %v", len(values), took)
	}
}
