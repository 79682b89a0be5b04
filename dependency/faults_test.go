package dependency_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

// A faultyBackend fails in its call number failAt, counted from 1. It embeds a Backend
// without the multi verbs, so that each key of a multi verb is a call.
type faultyBackend struct {
	core.Backend
	failAt  int
	lost    bool   // whether the call that fails takes effect, and only its reply is lost
	failKey string // Store and Delete of this key always fail

	mu    sync.Mutex
	calls []verb // guarded by mu
}

type verb uint8

const (
	verbGet verb = iota
	verbStore
	verbDelete
	verbIncr
)

// made returns how many calls were made.
func (b *faultyBackend) made() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

func (b *faultyBackend) call(v verb, do func() error) error {
	b.mu.Lock()
	b.calls = append(b.calls, v)
	fails := len(b.calls) == b.failAt
	b.mu.Unlock()
	if fails && !b.lost {
		return core.ErrUnavailable
	}
	err := do()
	if fails {
		return core.ErrUnavailable
	}
	return err
}

func (b *faultyBackend) GetItem(ctx context.Context, key string) (item core.Item, err error) {
	err = b.call(verbGet, func() error {
		var err error
		item, err = b.Backend.GetItem(ctx, key)
		return err
	})
	return item, err
}

func (b *faultyBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if item.Key == b.failKey {
		return core.ErrUnavailable
	}
	return b.call(verbStore, func() error { return b.Backend.Store(ctx, mode, item) })
}

func (b *faultyBackend) Delete(ctx context.Context, key string) error {
	if key == b.failKey {
		return core.ErrUnavailable
	}
	return b.call(verbDelete, func() error { return b.Backend.Delete(ctx, key) })
}

func (b *faultyBackend) Incr(
	ctx context.Context, key string, delta uint64,
) (n uint64, err error) {
	err = b.call(verbIncr, func() error {
		var err error
		n, err = b.Backend.Incr(ctx, key, delta)
		return err
	})
	return n, err
}

// Each call of the cache fails once. The verb that made the call returns the error, and no
// item survives a Delete that returned nil.
func TestAFaultInAnyCallIsReturnedAndDoesNoHarm(t *testing.T) {
	for name, missing := range map[string]int{
		"few are wired": 3, "many are wired": 120, "many are missing": 1100,
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost reply %v", name, lost), func(t *testing.T) {
				var calls []verb
				synctest.Test(t, func(t *testing.T) { calls = runWithFault(t, 0, false, missing) })
				for _, failAt := range faultsIn(calls) {
					synctest.Test(t, func(t *testing.T) { runWithFault(t, failAt, lost, missing) })
				}
			})
		}
	}
}

// faultsIn returns which of the calls to let fail, counted from 1. Most of them belong to
// multi verbs, and do the same to different keys. So it chooses the first two and the last two
// of successive calls with the same verb, and some of all calls at equal distances.
func faultsIn(calls []verb) []int {
	most := 20
	if longEnabled {
		most = 300
	}
	step := max(1, len(calls)/most)
	at := func(i int) verb { return calls[min(max(i, 0), len(calls)-1)] }
	var chosen []int
	for i, v := range calls {
		if i%step == 0 || i < 2 || i >= len(calls)-2 ||
			at(i-1) != v || at(i-2) != v || at(i+1) != v || at(i+2) != v {
			chosen = append(chosen, i+1)
		}
	}
	return chosen
}

func TestTheErrorNamesTheOneKeyOfManyThatFailed(t *testing.T) {
	keys := names("k", 12_000)
	b := &faultyBackend{Backend: must(memory.New(nil)), failKey: master + "11000"}
	d := must(dependency.New(cacheOf(t, b), nil))
	err := d.AddMulti(t.Context(), master, keys)
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 1 ||
		!errors.Is(multi.Errors["k10999"], core.ErrUnavailable) {
		t.Errorf("AddMulti: %v, want an error for k10999", err)
	}
	want := "cachewire: AddMulti (dependency): 1 of 12000 keys failed"
	if err != nil && !strings.HasPrefix(err.Error(), want) {
		t.Errorf("AddMulti: %v, want %s", err, want)
	}
	b.failKey = "k500"
	err = d.Delete(t.Context(), master)
	if !errors.As(err, &multi) || len(multi.Errors) != 1 ||
		!errors.Is(multi.Errors["k500"], core.ErrUnavailable) {
		t.Errorf("Delete: %v, want an error for k500", err)
	}
}

func TestThereIsNoMarkIfItsClaimCannotBeStored(t *testing.T) {
	b := &faultyBackend{Backend: must(memory.New(nil)), failKey: master + "2001"}
	c := cacheOf(t, b)
	d := must(dependency.New(c, nil))
	_, err := d.NextKeys(t.Context(), master, 2000)
	wantErr(t, err, nil)
	wantErr(t, d.Delete(t.Context(), master), core.ErrUnavailable)
	b.failKey = ""
	wantDropped(t, c, master+"2002")
}

// Other programs may write into a wire what is not a key, or not the key of an item.
func TestJunkInWiresDoesNoHarm(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	set(t, c, "k")
	for _, junk := range []string{"", strings.Repeat("k", core.MaxKeyLen+1), "no such key"} {
		wire, err := d.NextKey(ctx, master)
		wantErr(t, err, nil)
		wantErr(t, c.Set(ctx, wire, []byte(junk), 0), nil)
	}
	wantErr(t, d.Add(ctx, master, "k"), nil)
	keys, err := d.Keys(ctx, master)
	if !slices.Equal(keys, []string{"k", "no such key"}) || err != nil {
		t.Errorf("Keys = %v, %v", keys, err)
	}
	wantErr(t, d.Delete(ctx, master), nil)
	wantDropped(t, c, "k", master, master+"1")
}

// runWithFault adds and deletes, and lets the call with the number failAt fail, or none if it
// is 0. It returns the calls that were made. missing is how many other keys are wired. If it
// is more than 1,000, it is how many numbers are drawn and not used.
func runWithFault(t *testing.T, failAt int, lost bool, missing int) []verb {
	b := &faultyBackend{Backend: must(memory.New(nil)), failAt: failAt, lost: lost}
	c := cacheOf(t, b)
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	wired := map[string]bool{}
	before := 0
	check := func(err error) bool {
		if err != nil && !errors.Is(err, core.ErrUnavailable) {
			var multi *core.MultiError
			if !errors.As(err, &multi) {
				t.Errorf("with a fault in call %d: %v", failAt, err)
			}
			for key, err := range multi.Errors {
				if !errors.Is(err, core.ErrUnavailable) {
					t.Errorf("with a fault in call %d: %s: %v", failAt, key, err)
				}
			}
		}
		made := b.made()
		if (err == nil) == (before < failAt && failAt <= made) {
			t.Errorf("call %d fails, a verb made calls %d to %d: error is %v",
				failAt, before+1, made, err)
		}
		before = made
		return err == nil
	}
	present := func(key string) bool {
		_, err := b.Backend.GetItem(ctx, key)
		return err == nil
	}
	deleteAndCheck := func() {
		if check(d.Delete(ctx, master)) {
			for key := range wired {
				if present(key) {
					t.Errorf("with a fault in call %d: %s survived a Delete that returned nil",
						failAt, key)
				}
			}
			clear(wired)
		}
	}
	for round := range 3 {
		keys := names(fmt.Sprintf("item-%d-", round), 10)
		for _, key := range keys {
			wantErr(t, b.Backend.Store(ctx, core.Set, core.Item{Key: key}), nil)
		}
		var unused []string
		if missing > 1000 {
			var err error
			unused, err = d.NextKeys(ctx, master, missing)
			check(err)
		} else {
			check(d.AddMulti(ctx, master, names("other-", missing)))
			key, err := d.NextKey(ctx, master)
			if check(err) {
				unused = append(unused, key)
			}
		}
		// The number after the next one is taken already.
		if count, err := b.Backend.GetItem(ctx, master); err == nil {
			n, err := core.ParseCount(count.Value)
			wantErr(t, err, nil)
			wire := core.Item{Key: fmt.Sprint(master, n+2), Value: []byte("alien")}
			wantErr(t, b.Backend.Store(ctx, core.Set, wire), nil)
		}
		err := d.AddMulti(ctx, master, keys)
		check(err)
		var multi *core.MultiError
		for _, key := range keys {
			if err == nil || errors.As(err, &multi) && multi.Errors[key] == nil {
				wired[key] = true
			}
		}
		deleteAndCheck()
		key := fmt.Sprint("late-", round)
		wantErr(t, b.Backend.Store(ctx, core.Set, core.Item{Key: key}), nil)
		for _, wire := range unused[:min(len(unused), 3)] {
			item := core.Item{Key: wire, Value: []byte(key)}
			if b.Backend.Store(ctx, core.Add, item) == nil {
				wired[key] = true
			}
		}
		if round == 1 {
			deleteAndCheck()
			time.Sleep(3 * settled)
		}
	}
	b.failAt, failAt = 0, 0
	deleteAndCheck()
	deleteAndCheck()
	if len(wired) != 0 {
		t.Errorf("after the fault, Delete still fails: %d items are wired", len(wired))
	}
	wantErr(t, c.Close(), nil)
	return b.calls
}

// settled is how long a number must be missing until Delete treats it as never used.
const settled = 2 * time.Minute

func TestAddGivesUpIfEachNumberIsTakenOrTheCacheTakesMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := fullBackend{must(memory.New(nil))}
		slow := slowBackend{must(memory.New(nil)), func() time.Duration { return 40 * time.Second }}
		for want, b := range map[error]core.Backend{
			core.ErrNotNumber: full, core.ErrConflict: slow,
		} {
			d := must(dependency.New(cacheOf(t, b), nil))
			err := d.AddMulti(t.Context(), master, []string{"k"})
			var multi *core.MultiError
			if !errors.As(err, &multi) || !errors.Is(multi.Errors["k"], want) {
				t.Errorf("AddMulti: %v, want %v for k", err, want)
			}
		}
	})
}

// A fullBackend behaves as if every wire were present already.
type fullBackend struct{ core.Backend }

func (b fullBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if item.Key != master {
		return core.ErrExists
	}
	return b.Backend.Store(ctx, mode, item)
}

func TestThereIsNoMarkIfItsNumbersTookMinutesToDraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(memory.New(nil))
		c := cacheOf(t, b)
		_, err := must(dependency.New(c, nil)).NextKeys(t.Context(), master, 2000)
		wantErr(t, err, nil)
		slow := cacheOf(t, slowBackend{b, func() time.Duration { return 40 * time.Second }})
		wantErr(t, must(dependency.New(slow, nil)).Delete(t.Context(), master), nil)
		wantDropped(t, c, master+"2002")
	})
}
