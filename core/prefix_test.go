package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// Every verb runs through one prefix, first on keys that are absent and then on
// present ones; what another prefix and the bare backend hold stays as it is.
func TestPrefixKeepsCachesApartInEveryVerb(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		bare := open(t, b, nil)
		ours, theirs := view(t, bare, "ours:"), view(t, bare, "theirs:")
		put(t, bare, "k", "bare")
		put(t, theirs, "k", "theirs")
		eachVerb(t, verb.keyed, func(t *testing.T, v verb) {
			for _, present := range []bool{false, true} {
				if present {
					put(t, ours, "k", "1")
				}
				watched.log()
				_ = v.call(t.Context(), ours, "k", 0)
				for _, call := range watched.log() {
					for _, key := range call.keys {
						if key != "ours:k" {
							t.Errorf("the backend's %s saw %q", call.verb, key)
						}
					}
				}
				_ = ours.Delete(t.Context(), "k")
			}
			wantValue(t, bare, "k", "bare")
			wantValue(t, theirs, "k", "theirs")
		})
	})
}

func TestPrefixIsSeenNowhereButInTheBackend(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		hook := &recorder{}
		c := open(t, b, &core.Options{Prefix: "p:", Hooks: []core.Hook{hook}})
		ctx := t.Context()
		put(t, c, "a", "1")
		put(t, c, "p:a", "2") // whose name begins as the prefix does
		if got, want := watched.keys(), []string{"p:a", "p:p:a"}; !slices.Equal(got, want) {
			t.Errorf("the backend holds %q, want %q", got, want)
		}
		if item, err := c.GetItem(ctx, "p:a"); err != nil || item.Key != "p:a" || string(item.Value) != "2" {
			t.Errorf("GetItem = %+v, %v", item, err)
		}
		got, err := c.GetMulti(ctx, []string{"a", "p:a", "absent"})
		wantErr(t, err, nil)
		if want := map[string]string{"a": "1", "p:a": "2"}; !maps.Equal(texts(got), want) {
			t.Errorf("GetMulti = %q, want %q", got, want)
		}
		var e *core.Error
		if err := c.Add(ctx, "p:a", nil, 0); !errors.As(err, &e) || e.Key != "p:a" {
			t.Errorf("error is %v, want one of p:a", err)
		}
		err = c.AddMulti(ctx, map[string][]byte{"a": nil, "p:a": nil}, 0)
		wantFailed(t, err, map[string]error{"a": core.ErrExists, "p:a": core.ErrExists})
		for _, op := range hook.ops {
			for _, key := range op.Keys {
				if key != "a" && key != "p:a" && key != "absent" {
					t.Errorf("the hook saw %s of %q", op.Verb, key)
				}
			}
		}
	})
}

func TestNestedPrefixesAreJoinedFromTheOutside(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{Prefix: "a:"})
	inner := view(t, view(t, c, "b:"), "c:")
	put(t, inner, "k", "v")
	if got := b.keys(); !slices.Equal(got, []string{"a:b:c:k"}) {
		t.Errorf("the backend holds %q", got)
	}
	wantValue(t, c, "b:c:k", "v")
}

func TestPrefixesTogetherAreAtMost250Bytes(t *testing.T) {
	c := open(t, newBackend(), &core.Options{Prefix: strings.Repeat("a", 200)})
	longest := view(t, c, strings.Repeat("b", 50))
	put(t, longest, "k", "v")
	for _, parent := range []*core.Cache{c, longest} {
		v, err := parent.WithPrefix(strings.Repeat("b", 51))
		wantErr(t, err, core.ErrConfig)
		if v != nil {
			t.Error("WithPrefix answers a Cache beside the error")
		}
	}
}

func TestViewHasTheOtherSettingsOfItsParent(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	c := open(t, b, &core.Options{DefaultTTL: 5, Timeout: 1 << 40, Hooks: []core.Hook{hook}})
	timed := false
	b.before = func(ctx context.Context, verb, _ string) error {
		if verb == "Set" {
			_, timed = ctx.Deadline()
		}
		return nil
	}
	wantErr(t, view(t, c, "v:").Set(t.Context(), "k", nil, 0), nil)
	if calls := b.log(); calls[0].ttl != 5 || !timed || len(hook.ops) != 1 {
		t.Errorf("time to live %v, deadline %t, %d ops; want 5ns, true, 1", calls[0].ttl, timed, len(hook.ops))
	}
}

func TestFlushWithoutAPrefixDeletesEverything(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "a", "1")
	put(t, view(t, c, "p:"), "b", "2")
	wantErr(t, c.Flush(t.Context()), nil)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("Flush left %q", left)
	}
}

func TestFlushThroughAPrefixDeletesOnlyItsOwnKeys(t *testing.T) {
	for name, backend := range map[string]func(f *full) core.Backend{
		"batches":    func(f *full) core.Backend { return f },
		"one by one": func(f *full) core.Backend { return withKeyLister{f.backend, f} },
	} {
		for _, n := range []int{0, 1, 999, 1000, 1001, 2000, 2600} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				f := newFull()
				bare := open(t, backend(f), nil)
				ours := view(t, bare, "ours:")
				keys, values := manyKeys(n)
				wantErr(t, ours.SetMulti(t.Context(), values, 0), nil)
				put(t, view(t, bare, "our"), "k", "v")
				put(t, view(t, bare, "theirs:"), "k", "v")
				put(t, bare, "k", "v")
				f.log()
				wantErr(t, ours.Flush(t.Context()), nil)
				if got, want := f.keys(), []string{"k", "ourk", "theirs:k"}; !slices.Equal(got, want) {
					t.Errorf("Flush left %.200q, want %q", got, want)
				}
				calls := f.log()
				if most := 1 + (n+999)/1000; name == "batches" && len(calls) > most {
					t.Errorf("Flush of %d keys took %d calls, want at most %d", len(keys), len(calls), most)
				}
			})
		}
	}
}

func TestFlushThroughAPrefixIsUnsupportedWhereKeysCannotBeListed(t *testing.T) {
	b := newBackend()
	bare := open(t, b, nil)
	v := view(t, bare, "p:")
	put(t, v, "k", "v")
	b.log()
	wantErr(t, v.Flush(t.Context()), errors.ErrUnsupported)
	wantUntouched(t, b)
	wantValue(t, v, "k", "v")
}

func TestFlushReportsKeysThatCouldNotBeDeleted(t *testing.T) {
	f := newFull()
	c := open(t, withKeyLister{f.backend, f}, &core.Options{Prefix: "p:"})
	_, values := manyKeys(1500)
	values["stuck"] = nil
	wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
	f.before = func(_ context.Context, verb, key string) error {
		if verb == "Delete" && key == "p:stuck" {
			return io.EOF
		}
		return nil
	}
	err := c.Flush(t.Context())
	wantFailed(t, err, map[string]error{"stuck": io.EOF})
	var m *core.MultiError
	if errors.As(err, &m) && (m.Verb != "Flush" || m.Total != 1501) {
		t.Errorf("MultiError is of %s, total %d; want Flush, 1501", m.Verb, m.Total)
	}
	if got := f.keys(); !slices.Equal(got, []string{"p:stuck"}) {
		t.Errorf("Flush left %.200q", got)
	}
}

// A lister yields what its function says.
type lister func(yield func(string, error) bool)

func (l lister) Keys(context.Context, string) iter.Seq2[string, error] {
	return iter.Seq2[string, error](l)
}

// interrupted answers a Cache that holds the key a and whose backend can list
// that much before an error.
func interrupted(t *testing.T) (*core.Cache, *backend) {
	b := newBackend()
	c := open(t, withKeyLister{b, lister(func(yield func(string, error) bool) {
		if yield("p:a", nil) {
			yield("", fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF))
		}
	})}, &core.Options{Prefix: "p:"})
	put(t, c, "a", "v")
	return c, b
}

func TestFlushAnswersTheErrorThatEndsTheListing(t *testing.T) {
	c, _ := interrupted(t)
	err := c.Flush(t.Context())
	wantErr(t, err, core.ErrUnavailable)
	wantErr(t, err, io.EOF)
	var e *core.Error
	if !errors.As(err, &e) || e.Verb != "Flush" {
		t.Errorf("error is %#v, want an *Error of Flush", err)
	}
}

// Of several servers each is tried, and a Flush that ends in an error has done
// what could be done.
func TestFlushDeletesWhatWasListedBeforeAnError(t *testing.T) {
	c, b := interrupted(t)
	wantErr(t, c.Flush(t.Context()), io.EOF)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("Flush left %q, of which it knew", left)
	}
}

// A KeyLister may yield a key more than once; a MultiDeleter is promised that
// its keys are distinct.
func TestFlushDeletesAKeyThatIsListedTwiceOnce(t *testing.T) {
	f := newFull()
	type both struct {
		core.Backend
		core.MultiDeleter
		core.KeyLister
	}
	c := open(t, both{f.backend, f, lister(func(yield func(string, error) bool) {
		for _, key := range []string{"p:a", "p:b", "p:a"} {
			if !yield(key, nil) {
				return
			}
		}
	})}, &core.Options{Prefix: "p:"})
	wantErr(t, c.Flush(t.Context()), nil)
	for _, call := range f.log() {
		if len(slices.Compact(slices.Sorted(slices.Values(call.keys)))) != len(call.keys) {
			t.Errorf("the backend's %s was given %q", call.verb, call.keys)
		}
	}
}

// A keeper keeps what DeleteMulti was given, as a call that was cut off may, and
// lists keys without an end.
type keeper struct {
	core.Backend
	given [][]string
	stop  func(calls int)
}

func (k *keeper) Keys(_ context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := 0; yield(fmt.Sprint(prefix, i), nil); i++ {
		}
	}
}

func (k *keeper) DeleteMulti(_ context.Context, keys []string) error {
	k.given = append(k.given, keys)
	k.stop(len(k.given))
	return nil
}

func TestFlushThroughAPrefixEndsWhenTheContextIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &keeper{Backend: newBackend(), stop: func(calls int) {
		if calls == 3 {
			cancel()
		}
	}}
	c := open(t, k, &core.Options{Prefix: "p:"})
	if err := c.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush: error is %v, want %v", err, context.Canceled)
	}
	if len(k.given) != 3 {
		t.Errorf("%d calls of DeleteMulti, want none after the third", len(k.given))
	}
	n := 0
	for _, keys := range k.given {
		for _, key := range keys {
			if want := fmt.Sprint("p:", n); key != want {
				t.Fatalf("key %d of those that DeleteMulti was given is %q by now, want %q", n, key, want)
			}
			n++
		}
	}
}
