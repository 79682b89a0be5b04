package strangers_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// A carelessBackend is a backend as one might write it at first, with the usual faults. The
// test below names them.
type carelessBackend struct {
	mu    sync.Mutex
	items map[string]*carelessItem // guarded by mu
}

type carelessItem struct {
	value   []byte
	expires time.Time // or zero
}

func newCareless() *carelessBackend {
	b := &carelessBackend{items: map[string]*carelessItem{}}
	go b.removeExpired()
	return b
}

func (b *carelessBackend) removeExpired() {
	for {
		time.Sleep(100 * time.Millisecond)
		b.mu.Lock()
		for key, it := range b.items {
			if !it.expires.IsZero() && time.Now().After(it.expires) {
				delete(b.items, key)
			}
		}
		b.mu.Unlock()
	}
}

func carelessExpiry(ttl time.Duration) time.Time {
	if seconds := ttl.Truncate(time.Second); seconds > 0 {
		return time.Now().Add(seconds)
	}
	return time.Time{}
}

func (b *carelessBackend) GetItem(_ context.Context, key string) (core.Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it, ok := b.items[strings.TrimSpace(key)]
	if !ok {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Value: it.value, Token: string(it.value)}, nil
}

func (b *carelessBackend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := strings.TrimSpace(item.Key)
	old, ok := b.items[key]
	switch mode {
	case core.Add:
		if ok {
			return core.ErrExists
		}
	case core.Replace:
		if !ok {
			return core.ErrMiss
		}
	case core.CompareAndSwap, core.CompareAndDelete:
		if !ok || item.Token != any(string(old.value)) {
			return core.ErrConflict
		}
		if mode == core.CompareAndDelete {
			delete(b.items, key)
			return nil
		}
	}
	b.items[key] = &carelessItem{item.Value, carelessExpiry(item.TTL)}
	return nil
}

func (b *carelessBackend) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.items, strings.TrimSpace(key))
	return nil
}

func (b *carelessBackend) add(key string, delta int64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it, ok := b.items[strings.TrimSpace(key)]
	if !ok {
		return 0, core.ErrMiss
	}
	n, err := strconv.ParseInt(string(it.value), 10, 64)
	if err != nil {
		return 0, core.ErrNotNumber
	}
	n += delta
	b.items[strings.TrimSpace(key)] = &carelessItem{value: []byte(strconv.FormatInt(n, 10))}
	return uint64(n), nil
}

func (b *carelessBackend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.add(key, int64(delta))
}

func (b *carelessBackend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.add(key, -int64(delta))
}

func (b *carelessBackend) Touch(_ context.Context, key string, ttl time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it, ok := b.items[strings.TrimSpace(key)]; ok {
		it.expires = carelessExpiry(ttl)
	}
	return nil
}

func (b *carelessBackend) Flush(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.items)
	return nil
}

func (b *carelessBackend) Close() error { return nil }

func TestCarelessDriverFailsWithMessagesThatLeadToItsFaults(t *testing.T) {
	t.Parallel()
	open := func() (core.Backend, error) { return newCareless(), nil }
	report, err := conformance.Check(t.Context(), open, &conformance.CheckOptions{Parallel: 32})
	if err != nil {
		t.Fatal(err)
	}
	failures := map[string]string{}
	leaks := 0
	for _, r := range report.Results {
		text := strings.Join(r.Failures, "\n")
		if r.View == "plain" {
			failures[r.ID] = text
		}
		if strings.Contains(text, "goroutines that outlive Close") &&
			strings.Contains(text, "removeExpired") {
			leaks++
		}
	}
	if leaks != 1 {
		t.Errorf("the goroutine that outlives Close is reported %d times, want once", leaks)
	}
	for _, want := range []struct{ fault, id, message string }{
		{"Store keeps the caller's bytes", "alias-stored", "after the caller wrote to its bytes"},
		{"flags are dropped", "flags", "flags"},
		{"times to live are cut to seconds", "ttl-fraction", "time to live"},
		{"an expired item is present until the next sweep", "ttl-expired", ""},
		{"Delete of an absent key succeeds", "delete-absent", "is <nil>, want cachewire: miss"},
		{"Touch of an absent key succeeds", "touch-absent", "is <nil>, want cachewire: miss"},
		{
			"the token is the value", "cas-same-bytes",
			"CompareAndSwap after Set: error is <nil>, want cachewire: changed",
		},
		{"CompareAndSwap of an absent key conflicts", "cas-absent", "want cachewire: miss"},
		{
			"numbers have a sign", "incr-not-number",
			`Incr of "-1": error is <nil>, want cachewire: not a number`,
		},
		{"numbers have a sign, at 2^63", "counter-limits", "9223372036854775807"},
		{"Decr goes below 0", "decr-floor", "Decr of 5 by 6: 18446744073709551615"},
		{"Incr loses the time to live", "ttl-counter", "still present"},
		// Which of "a" and "a " is refused depends on which is added first.
		{"keys are trimmed", "key-collide", "key exists, want no error"},
	} {
		got, ok := failures[want.id]
		switch {
		case !ok:
			t.Errorf("%s: there is no case %s", want.fault, want.id)
		case got == "":
			t.Errorf("%s: %s passes", want.fault, want.id)
		case !strings.Contains(got, want.message):
			t.Errorf(
				"%s: %s fails with\n%s\nwant it to contain %q",
				want.fault,
				want.id,
				got,
				want.message,
			)
		case strings.Contains(got, "panic:"):
			t.Errorf("%s: %s panics:\n%s", want.fault, want.id, got)
		}
	}
	if i := slices.IndexFunc(report.Results, func(r conformance.Result) bool {
		return len(r.Failures) > 0 && slices.Contains(r.Failures, "")
	}); i >= 0 {
		t.Errorf("%s/%s has a failure without a text", report.Results[i].View, report.Results[i].ID)
	}
}
