package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

var contextCases = []testCase{
	{
		id: "context-backend",
		rule: "A method of a Backend whose context is done returns the error of the context or " +
			"the true result: never a false miss or conflict, nor success for a write that " +
			"did not take place.",
		run: func(e *env) {
			ctx, cancel := context.WithCancel(e.ctx)
			cancel()
			b := e.backend
			store := func(mode core.Mode) func(key string) error {
				return func(key string) error {
					item := core.Item{Key: key, Value: []byte("2")}
					if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
						old, err := b.GetItem(e.ctx, key)
						e.must("GetItem", err)
						item.Token = old.Token
					}
					return b.Store(ctx, mode, item)
				}
			}
			for _, c := range []struct {
				what  string
				verb  func(key string) error
				after string // the value after success; "" if the key is then absent
			}{
				{"GetItem", func(key string) error {
					_, err := b.GetItem(ctx, key)
					return err
				}, "1"},
				{"Get", func(key string) error {
					g, ok := core.Ability[core.ValueGetter](b)
					if !ok {
						return nil
					}
					_, err := g.Get(ctx, key)
					return err
				}, "1"},
				{"Store with Set", store(core.Set), "2"},
				{"Store with Replace", store(core.Replace), "2"},
				{"Store with CompareAndSwap", store(core.CompareAndSwap), "2"},
				{"Store with CompareAndDelete", store(core.CompareAndDelete), ""},
				{"Touch", func(key string) error { return b.Touch(ctx, key, longTTL) }, "1"},
				{"Incr", func(key string) error { _, err := b.Incr(ctx, key, 2); return err }, "3"},
				{"Decr", func(key string) error { _, err := b.Decr(ctx, key, 1); return err }, "0"},
				{"GetItems", func(key string) error {
					g, ok := core.Ability[core.MultiGetter](b)
					if !ok {
						return nil
					}
					items, err := g.GetItems(ctx, []string{key})
					if err == nil && len(items) != 1 {
						return errKeyLeftOut
					}
					return keyError(err, key)
				}, "1"},
				{"TTL", func(key string) error {
					r, ok := core.Ability[core.TTLReader](b)
					if !ok {
						return nil
					}
					_, err := r.TTL(ctx, key)
					return err
				}, "1"},
				{"IncrFrom", func(key string) error {
					s, ok := core.Ability[core.CounterStarter](b)
					if !ok {
						_, err := b.Incr(ctx, key, 2)
						return err
					}
					_, err := s.IncrFrom(ctx, key, 2, 0, 0)
					return err
				}, "3"},
				{"StoreMulti", func(key string) error {
					item := core.Item{Key: key, Value: []byte("2")}
					s, ok := core.Ability[core.MultiStorer](b)
					if !ok {
						return b.Store(ctx, core.Set, item)
					}
					return keyError(s.StoreMulti(ctx, core.Set, []core.Item{item}), key)
				}, "2"},
				{"DeleteMulti", func(key string) error {
					d, ok := core.Ability[core.MultiDeleter](b)
					if !ok {
						return b.Delete(ctx, key)
					}
					return keyError(d.DeleteMulti(ctx, []string{key}), key)
				}, ""},
				{"Delete", func(key string) error { return b.Delete(ctx, key) }, ""},
				{"Flush", func(string) error { return b.Flush(ctx) }, ""},
			} {
				// A write that fails may take place later. So each verb has its own key.
				key := "key of " + c.what
				e.set(key, "1")
				switch err := c.verb(e.fullKey(key)); {
				case err != nil && !errors.Is(err, context.Canceled):
					e.errorf("%s under a context that is done: error is %v, want %v or no error",
						c.what, err, context.Canceled)
				case err == nil && c.after == "":
					e.wantMiss(key)
				case err == nil:
					e.wantDigits(key, c.after)
				}
			}
		},
	},
	{
		id: "context-deadline",
		rule: "If a deadline passes during a verb, the verb returns the error of the context in " +
			"time, and the verbs after it get their own replies.",
		run: func(e *env) {
			for round := range 10 * len(verbs) {
				v, key := verbs[round%len(verbs)], numbered("k", round)
				e.set(key, "1")
				token := e.item(key).Token
				timeout := time.Duration(round%20) * 10 * time.Microsecond
				ctx, cancel := context.WithTimeout(e.ctx, timeout)
				elapsed := e.clock.start()
				err := keyError(v.call(ctx, e.cache, key, token), key)
				took := elapsed()
				cancel()
				adds := v.name == "Add" || v.name == "AddMulti"
				if err != nil && !errors.Is(err, context.DeadlineExceeded) &&
					!(adds && errors.Is(err, core.ErrExists)) {

					e.errorf("%s: error is %v, want %v or no error",
						v.name, err, context.DeadlineExceeded)
				}
				e.wantInTime(v.name, took)
				// The write that the deadline abandoned may take place at any time. So this
				// uses another key: its value is wrong only if a verb gets the reply to
				// another verb.
				other, value := numbered("other", round), fmt.Sprint("value of ", round)
				e.set(other, value)
				e.wantValue(other, value)
			}
		},
	},
	{
		id:   "context-bytes",
		rule: "A write that a deadline abandons keeps no reference to the caller's bytes.",
		run: func(e *env) {
			const rounds = 100
			for round := range rounds {
				buf := []byte("mine")
				timeout := time.Duration(round%10) * 20 * time.Microsecond
				ctx, cancel := context.WithTimeout(e.ctx, timeout)
				_ = e.cache.Set(ctx, numbered("k", round), buf, 0)
				_ = e.cache.SetMulti(ctx, map[string][]byte{numbered("m", round): buf}, 0)
				cancel()
				copy(buf, "XXXX")
			}
			time.Sleep(50 * time.Millisecond) // for writes that take place late
			for round := range rounds {
				for _, key := range []string{numbered("k", round), numbered("m", round)} {
					if got, err := e.cache.Get(e.ctx, key); err == nil && string(got) != "mine" {
						e.errorf("Get %s: %s, want \"mine\" or a miss",
							quote(key), quote(string(got)))
					}
				}
			}
		},
	},
	{
		id:   "context-cancel",
		rule: "A verb that is cancelled returns in time, and no later verb gets its reply.",
		run: func(e *env) {
			const workers, rounds = 8, 50
			e.inParallel(workers, func(w int) {
				for round := range rounds {
					key, value := fmt.Sprintf("k%d-%d", w, round), fmt.Sprintf("v%d-%d", w, round)
					ctx, cancel := context.WithCancel(e.ctx)
					go cancel()
					elapsed := e.clock.start()
					_, err := e.cache.Get(ctx, key+" absent")
					if err != core.ErrMiss && !errors.Is(err, context.Canceled) {
						e.errorf("Get: error is %v, want %v or %v",
							err, core.ErrMiss, context.Canceled)
					}
					err = e.cache.Set(ctx, key, []byte(value), 0)
					if err != nil && !errors.Is(err, context.Canceled) {
						e.errorf("Set: error is %v, want %v or no error", err, context.Canceled)
					}
					e.wantInTime("Get and Set", elapsed()/2)
					e.set(key+" again", value)
					e.wantValue(key+" again", value)
					if got, err := e.cache.Get(e.ctx, key); err == nil && string(got) != value {
						e.errorf("Get %s: %s, want %s or a miss",
							quote(key), quote(string(got)), quote(value))
					}
				}
			})
		},
	},
}
