package core_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// wantUntouched fails if the backend was called since the last log.
func wantUntouched(t *testing.T, b *backend) {
	t.Helper()
	if calls := b.log(); len(calls) != 0 {
		t.Errorf("the backend was called: %.200v", calls)
	}
}

// abilities are the two extremes that a backend may be: all verbs through one
// path, and all through the other.
func abilities(t *testing.T, test func(t *testing.T, b core.Backend, watched *backend)) {
	t.Run("plain", func(t *testing.T) {
		b := newBackend()
		test(t, b, b)
	})
	t.Run("full", func(t *testing.T) {
		f := newFull()
		test(t, f, f.backend)
	})
}

func TestIllegalKeysNeverReachTheBackend(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		for name, key := range map[string]string{
			"empty":    "",
			"too long": strings.Repeat("k", core.MaxKeyLen+1),
		} {
			for _, prefix := range []string{"", "p:"} {
				t.Run(name+" prefix "+prefix, func(t *testing.T) {
					c := open(t, b, &core.Options{Prefix: prefix})
					watched.log()
					eachVerb(t, verb.keyed, func(t *testing.T, v verb) {
						err := v.call(t.Context(), c, key, 0)
						wantErr(t, v.of(key, err), core.ErrInvalidKey)
						wantUntouched(t, watched)
					})
				})
			}
		}
	})
}

func TestTheLongestKeyIsLegalWithThePrefixAdded(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		prefix, key := strings.Repeat("p", core.MaxPrefixLen), strings.Repeat("k", core.MaxKeyLen)
		c := open(t, b, &core.Options{Prefix: prefix})
		put(t, c, key, "1")
		eachVerb(t, verb.keyed, func(t *testing.T, v verb) {
			if _, plain := b.(*backend); plain && v.name == "TTL" {
				t.Skip("this backend has no TTL")
			}
			watched.log()
			_ = v.call(t.Context(), c, key, 0) // perhaps ErrMiss or ErrExists
			calls := watched.log()
			if len(calls) == 0 || calls[0].keys[0] != prefix+key {
				t.Error("the backend did not see prefix + key")
			}
		})
	})
}

func TestNegativeTTLNeverReachesTheBackend(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, &core.Options{DefaultTTL: time.Minute})
		watched.log()
		eachVerb(t, verb.hasTTL, func(t *testing.T, v verb) {
			for _, ttl := range []time.Duration{-1, -time.Hour, math.MinInt64} {
				err := v.call(t.Context(), c, "k", ttl)
				wantErr(t, v.of("k", err), core.ErrInvalidTTL)
				wantUntouched(t, watched)
			}
		})
	})
}

func TestBackendSeesTheTTLThatIsMeant(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, &core.Options{DefaultTTL: 7 * time.Minute})
		eachVerb(t, verb.hasTTL, func(t *testing.T, v verb) {
			for ttl, want := range map[time.Duration]time.Duration{
				0:                7 * time.Minute,
				1:                1,
				core.Forever - 1: core.Forever - 1,
				core.Forever:     0,
			} {
				// Counters take it only for a key that is absent.
				_ = c.Flush(t.Context())
				watched.log()
				_ = v.call(t.Context(), c, "k", ttl)
				calls := watched.log()
				if last := calls[len(calls)-1]; last.ttl != want {
					t.Errorf("%v became %v, want %v", ttl, last.ttl, want)
				}
			}
		})
	})
}

func TestStoreMultiResolvesEachItemsTTL(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{DefaultTTL: time.Hour})
	err := c.StoreMulti(t.Context(), core.Set, []core.Item{
		{Key: "own", TTL: time.Second}, {Key: "default"}, {Key: "never expires", TTL: core.Forever}, {Key: "bad", TTL: -1},
	})
	wantFailed(t, err, map[string]error{"bad": core.ErrInvalidTTL})
	got := map[string]time.Duration{}
	for _, call := range b.log() {
		got[call.keys[0]] = call.ttl
	}
	if len(got) != 3 || got["own"] != time.Second || got["default"] != time.Hour || got["never expires"] != 0 {
		t.Errorf("the backend saw %v", got)
	}
}

func TestCompareAndDeleteHasNoTTL(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{DefaultTTL: time.Hour})
	put(t, c, "k", "v")
	item, err := c.GetItem(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	item.TTL = -5
	b.log()
	wantErr(t, c.CompareAndDelete(t.Context(), item), nil)
	if calls := b.log(); len(calls) != 1 || calls[0].ttl != 0 {
		t.Errorf("the backend saw %v, want one call without a time to live", calls)
	}
}

// A counter that is there needs no time to live, yet a bad one is a mistake of
// the caller that must not wait for the day when the counter is not there.
func TestIncrFromRefusesABadTTLThoughTheCounterExists(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "n", "5")
	b.log()
	for _, verb := range []func(context.Context, string, uint64, uint64, time.Duration) (uint64, error){c.IncrFrom, c.DecrFrom} {
		n, err := verb(t.Context(), "n", 1, 0, -1)
		wantErr(t, err, core.ErrInvalidTTL)
		if n != 0 {
			t.Errorf("answered %d beside the error", n)
		}
		wantUntouched(t, b)
	}
	wantValue(t, c, "n", "5")
}

func TestNilContextIsTheBackground(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		for name, opts := range map[string]*core.Options{
			"plain":    nil,
			"hook":     {Hooks: []core.Hook{&recorder{}}},
			"time-out": {Timeout: time.Hour},
		} {
			t.Run(name, func(t *testing.T) {
				c := open(t, b, opts)
				eachVerb(t, nil, func(t *testing.T, v verb) {
					watched.log()
					var none context.Context
					_ = v.call(none, c, "k", 0) // perhaps ErrMiss; it must not panic
					for _, call := range watched.log() {
						if call.nilCtx {
							t.Error("the backend saw a nil context")
						}
					}
				})
			})
		}
	})
}

func TestDoneContextNeverReachesTheBackend(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, nil)
		watched.log()
		eachVerb(t, nil, func(t *testing.T, v verb) {
			err := v.call(done, c, "k", 0)
			wantErr(t, v.of("k", err), context.Canceled)
			wantUntouched(t, watched)
		})
	})
}

func TestUnknownModeNeverReachesTheBackend(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, nil)
		watched.log()
		mode := core.CompareAndDelete + 1
		wantErr(t, c.Store(t.Context(), mode, core.Item{Key: "k"}), core.ErrConfig)
		wantFailed(t, c.StoreMulti(t.Context(), mode, []core.Item{{Key: "k"}}), map[string]error{"k": core.ErrConfig})
		wantUntouched(t, watched)
	})
}

func TestModeIsNamedAfterItsConstant(t *testing.T) {
	for mode, want := range map[core.Mode]string{
		core.Set: "Set", core.Add: "Add", core.Replace: "Replace",
		core.CompareAndSwap: "CompareAndSwap", core.CompareAndDelete: "CompareAndDelete",
		5: "Mode(5)", 255: "Mode(255)",
	} {
		if got := mode.String(); got != want {
			t.Errorf("Mode(%d) is %q, want %q", uint8(mode), got, want)
		}
	}
}

func TestMultiVerbsOnNoKeysDoNothing(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, nil)
		watched.log()
		values, err := c.GetMulti(t.Context(), nil)
		if values == nil || len(values) != 0 || err != nil {
			t.Errorf("GetMulti = %v, %v; want an empty map that is not nil", values, err)
		}
		wantErr(t, c.SetMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.AddMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.ReplaceMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.StoreMulti(t.Context(), core.Set, nil), nil)
		wantErr(t, c.DeleteMulti(t.Context(), nil), nil)
		wantUntouched(t, watched)
	})
}

// Illegal keys do not keep the legal ones from being served.
func TestIllegalKeysFailAloneInMultiVerbs(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := open(t, b, nil)
		long := strings.Repeat("k", core.MaxKeyLen+1)
		want := map[string]error{"": core.ErrInvalidKey, long: core.ErrInvalidKey}
		values := map[string][]byte{"": nil, long: nil, "k": []byte("v")}
		wantFailed(t, c.SetMulti(t.Context(), values, 0), want)
		got, err := c.GetMulti(t.Context(), []string{"", "k", long})
		wantFailed(t, err, want)
		if len(got) != 1 || string(got["k"]) != "v" {
			t.Errorf("GetMulti = %q, want what could be read", got)
		}
		wantFailed(t, c.DeleteMulti(t.Context(), []string{"", "k", long}), want)
		if keys := watched.keys(); len(keys) != 0 {
			t.Errorf("DeleteMulti left %q", keys)
		}
	})
}
