package core_test

import (
	"context"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// wantNoCalls fails the test if b was called since the last takeCalls.
func wantNoCalls(t *testing.T, b *backend) {
	t.Helper()
	if calls := b.takeCalls(); len(calls) != 0 {
		t.Errorf("the calls of the backend are %.200v, want none", calls)
	}
}

// eachBackend runs test with a backend without optional interfaces and with a fullBackend.
// Base is the backend that records the calls of b.
func eachBackend(t *testing.T, test func(t *testing.T, b core.Backend, base *backend)) {
	t.Run("plain", func(t *testing.T) {
		b := newBackend()
		test(t, b, b)
	})
	t.Run("full", func(t *testing.T) {
		f := newFullBackend()
		test(t, f, f.backend)
	})
}

func TestInvalidKeysNeverReachTheBackend(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		for name, key := range map[string]string{
			"empty":    "",
			"too long": strings.Repeat("k", core.MaxKeyLen+1),
		} {
			for _, prefix := range []string{"", "p:"} {
				t.Run(name+" prefix "+prefix, func(t *testing.T) {
					c := open(t, b, &core.Options{Prefix: prefix})
					base.takeCalls()
					eachVerb(t, verb.takesKeys, func(t *testing.T, v verb) {
						err := v.call(t.Context(), c, key, 0)
						wantErr(t, v.keyError(key, err), core.ErrInvalidKey)
						wantNoCalls(t, base)
					})
				})
			}
		}
	})
}

func TestLongestKeyIsValidWithTheLongestPrefix(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		prefix := strings.Repeat("p", core.MaxPrefixLen)
		key := strings.Repeat("k", core.MaxKeyLen)
		c := open(t, b, &core.Options{Prefix: prefix})
		put(t, c, key, "1")
		eachVerb(t, verb.takesKeys, func(t *testing.T, v verb) {
			if _, plain := b.(*backend); plain && v.name == "TTL" {
				t.Skip("this backend has no TTL")
			}
			base.takeCalls()
			_ = v.call(t.Context(), c, key, 0) // ErrMiss and ErrExists are possible
			calls := base.takeCalls()
			if len(calls) == 0 || calls[0].keys[0] != prefix+key {
				t.Error("the backend was not called with prefix + key")
			}
		})
	})
}

func TestNegativeTTLNeverReachesTheBackend(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, &core.Options{DefaultTTL: time.Minute})
		base.takeCalls()
		eachVerb(t, verb.takesTTL, func(t *testing.T, v verb) {
			for _, ttl := range []time.Duration{-1, -time.Hour, math.MinInt64} {
				err := v.call(t.Context(), c, "k", ttl)
				wantErr(t, v.keyError("k", err), core.ErrInvalidTTL)
				wantNoCalls(t, base)
			}
		})
	})
}

func TestBackendGetsTheResolvedTTL(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, &core.Options{DefaultTTL: 7 * time.Minute})
		eachVerb(t, verb.takesTTL, func(t *testing.T, v verb) {
			for ttl, want := range map[time.Duration]time.Duration{
				0:                7 * time.Minute,
				1:                1,
				core.Forever - 1: core.Forever - 1,
				core.Forever:     0,
			} {
				// IncrFrom and DecrFrom use ttl only if the key is absent.
				_ = c.Flush(t.Context())
				base.takeCalls()
				_ = v.call(t.Context(), c, "k", ttl)
				calls := base.takeCalls()
				if last := calls[len(calls)-1]; last.ttl != want {
					t.Errorf("the backend was called with %v for %v, want %v",
						last.ttl, ttl, want)
				}
			}
		})
	})
}

func TestStoreMultiResolvesEachItemsTTL(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{DefaultTTL: time.Hour})
	err := c.StoreMulti(t.Context(), core.Set, []core.Item{
		{Key: "own", TTL: time.Second},
		{Key: "default"},
		{Key: "never expires", TTL: core.Forever},
		{Key: "bad", TTL: -1},
	})
	wantFailed(t, err, map[string]error{"bad": core.ErrInvalidTTL})
	got := map[string]time.Duration{}
	for _, call := range b.takeCalls() {
		got[call.keys[0]] = call.ttl
	}
	want := map[string]time.Duration{
		"own": time.Second, "default": time.Hour, "never expires": 0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the backend was called with the times to live %v, want %v", got, want)
	}
}

func TestCompareAndDeleteIgnoresTheTTL(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{DefaultTTL: time.Hour})
	put(t, c, "k", "v")
	item, err := c.GetItem(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	item.TTL = -5
	b.takeCalls()
	wantErr(t, c.CompareAndDelete(t.Context(), item), nil)
	if calls := b.takeCalls(); len(calls) != 1 || calls[0].ttl != 0 {
		t.Errorf("the calls of the backend are %v, want one without a time to live", calls)
	}
}

// A present counter keeps its time to live. A negative ttl is an error nevertheless: it would
// be one as soon as the counter is absent.
func TestIncrFromRefusesANegativeTTLEvenIfTheCounterIsPresent(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "n", "5")
	b.takeCalls()
	for name, verb := range fromVerbs(c) {
		n, err := verb(t.Context(), "n", 1, 0, -1)
		wantErr(t, err, core.ErrInvalidTTL)
		if n != 0 {
			t.Errorf("%s = %d with the error, want 0", name, n)
		}
		wantNoCalls(t, b)
	}
	wantValue(t, c, "n", "5")
}

func TestNilContextMeansTheBackgroundContext(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		for name, opts := range map[string]*core.Options{
			"plain":    nil,
			"hook":     {Hooks: []core.Hook{&recorder{}}},
			"time-out": {Timeout: time.Hour},
		} {
			t.Run(name, func(t *testing.T) {
				c := open(t, b, opts)
				eachVerb(t, nil, func(t *testing.T, v verb) {
					base.takeCalls()
					var nilCtx context.Context
					_ = v.call(nilCtx, c, "k", 0) // ErrMiss is possible, a panic is not
					for _, call := range base.takeCalls() {
						if call.nilCtx {
							t.Error("the backend was called with a nil context")
						}
					}
				})
			})
		}
	})
}

func TestVerbWithADoneContextNeverReachesTheBackend(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		base.takeCalls()
		eachVerb(t, nil, func(t *testing.T, v verb) {
			err := v.call(done, c, "k", 0)
			wantErr(t, v.keyError("k", err), context.Canceled)
			wantNoCalls(t, base)
		})
	})
}

func TestUnknownModeNeverReachesTheBackend(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		base.takeCalls()
		mode := core.CompareAndDelete + 1
		wantErr(t, c.Store(t.Context(), mode, core.Item{Key: "k"}), core.ErrConfig)
		err := c.StoreMulti(t.Context(), mode, []core.Item{{Key: "k"}})
		wantFailed(t, err, map[string]error{"k": core.ErrConfig})
		wantNoCalls(t, base)
	})
}

func TestStringOfAModeIsTheNameOfItsConstant(t *testing.T) {
	for mode, want := range map[core.Mode]string{
		core.Set: "Set", core.Add: "Add", core.Replace: "Replace",
		core.CompareAndSwap: "CompareAndSwap", core.CompareAndDelete: "CompareAndDelete",
		5: "Mode(5)", 255: "Mode(255)",
	} {
		if got := mode.String(); got != want {
			t.Errorf("Mode(%d).String() = %q, want %q", uint8(mode), got, want)
		}
	}
}

func TestMultiVerbsWithoutKeysDoNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		base.takeCalls()
		values, err := c.GetMulti(t.Context(), nil)
		if values == nil || len(values) != 0 || err != nil {
			t.Errorf("GetMulti = %v, %v; want an empty map that is not nil", values, err)
		}
		wantErr(t, c.SetMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.AddMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.ReplaceMulti(t.Context(), nil, 0), nil)
		wantErr(t, c.StoreMulti(t.Context(), core.Set, nil), nil)
		wantErr(t, c.DeleteMulti(t.Context(), nil), nil)
		wantNoCalls(t, base)
	})
}

func TestMultiVerbsServeTheValidKeysAmongInvalidOnes(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		long := strings.Repeat("k", core.MaxKeyLen+1)
		want := map[string]error{"": core.ErrInvalidKey, long: core.ErrInvalidKey}
		values := map[string][]byte{"": nil, long: nil, "k": []byte("v")}
		wantFailed(t, c.SetMulti(t.Context(), values, 0), want)
		got, err := c.GetMulti(t.Context(), []string{"", "k", long})
		wantFailed(t, err, want)
		if len(got) != 1 || string(got["k"]) != "v" {
			t.Errorf("GetMulti = %q, want the value of k alone", got)
		}
		wantFailed(t, c.DeleteMulti(t.Context(), []string{"", "k", long}), want)
		if keys := base.keys(); len(keys) != 0 {
			t.Errorf("DeleteMulti left the keys %q, want none", keys)
		}
	})
}
