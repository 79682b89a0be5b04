package patterns_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/patterns"
)

// The first keys are those in the manual of wheezy.caching.
func TestKeyBuilderMakesTheKeysOfWheezyCaching(t *testing.T) {
	repo := patterns.KeyBuilder("repo")
	if got := repo.Format("list_items", 2); got != "repo-list_items:%r:%r" {
		t.Errorf("Format = %q", got)
	}
	type (
		name string
		id   uint16
	)
	for wanted, args := range map[string][]any{
		"repo-list_items:'en':1":        {"en", 1},
		"repo-list_items:'uk':1":        {name("uk"), id(1)},
		"repo-list_items:'en':0":        {"en", int8(0)},
		"repo-list_items":               nil,
		"repo-list_items:None:True":     {nil, true},
		"repo-list_items:False:-7":      {false, int64(-7)},
		"repo-list_items:1.0:0.1":       {1.0, 0.1},
		"repo-list_items:1e+16:inf:nan": {1e16, math.Inf(1), math.NaN()},
		`repo-list_items:"it's"`:        {"it's"},
		`repo-list_items:'"it\'s"'`:     {`"it's"`},
		`repo-list_items:'a\nb\\\x00'`:  {"a\nb\\\x00"},
	} {
		if got, err := repo.Key("list_items", args...); got != wanted || err != nil {
			t.Errorf("Key(%v) = %q, %v; want %q", args, got, err, wanted)
		}
	}
	for _, arg := range []any{
		[]byte("b"), struct{}{}, new(int), "\xff", map[string]int{}, 1i, fmt.Errorf("e"),
	} {
		_, err := repo.Key("f", "fine", arg)
		if err == nil || !strings.Contains(err.Error(), "argument 2 of f") {
			t.Errorf("Key(%v): error is %v, want one about argument 2 of f", arg, err)
		} else {
			wantErr(t, err, core.ErrInvalidKey)
		}
	}
}

// The test runs Python, and compares its repr of each argument with the key.
func TestKeysMatchPythonsRepr(t *testing.T) {
	python := memcachetest.NeedPython(t, "json")
	r := rand.New(rand.NewPCG(1, 2))
	args := []any{
		nil, true, false,
		"", "'", `"`, `'"`, "\u00ad", "\u2028", "\U0001f600", "\ue000", "\U000e0001",
		"日本", "é", "e\u0301",
		0.0, math.Copysign(0, -1), 1e15, 1e16, 123456789012345678.0, 1e-4, 1e-5, 5e-324,
		math.MaxFloat64, 0.1, 1.0 / 3, 100.0, 1e22, 1e100,
		int64(math.MinInt64), uint64(math.MaxUint64),
	}
	for range 2000 {
		args = append(args,
			math.Float64frombits(r.Uint64()), r.NormFloat64(), float64(r.IntN(1000))/8,
			r.Int64()-r.Int64())
		var s []rune
		for range r.IntN(6) {
			c := rune(r.IntN(0x3000))
			if unicode.In(c, unicode.Cs) || !assigned(c) {
				c = rune(r.IntN(0x80))
			}
			s = append(s, c)
		}
		args = append(args, string(s))
	}
	// Floats are passed as text in hexadecimal, so that each keeps its exact value.
	type arg struct {
		Kind, Value string
	}
	var input []arg
	var got []string
	for _, a := range args {
		switch v := a.(type) {
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			input = append(input, arg{"float", fmt.Sprintf("%x", v)})
		case string:
			input = append(input, arg{"str", v})
		case nil:
			input = append(input, arg{"None", ""})
		case bool:
			input = append(input, arg{"bool", fmt.Sprint(v)})
		default:
			input = append(input, arg{"int", fmt.Sprint(v)})
		}
		key, err := patterns.KeyBuilder("").Key("", a)
		if err != nil {
			t.Errorf("Key(%q): %v", a, err)
		}
		got = append(got, strings.TrimPrefix(key, "-:"))
	}
	data, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "args.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out := python.Run(t, `
import json, sys
make = {
    'float': float.fromhex,
    'str': str,
    'int': int,
    'bool': lambda v: v == 'true',
    'None': lambda v: None,
}
args = json.load(open(sys.argv[1], encoding='utf-8'))
print(json.dumps([repr(make[a['Kind']](a['Value'])) for a in args]))`, file)
	var wanted []string
	if err := json.Unmarshal([]byte(out), &wanted); err != nil {
		t.Fatal(err)
	}
	if len(wanted) != len(got) {
		t.Fatalf("Python wrote %d arguments, want %d", len(wanted), len(got))
	}
	for i := range wanted {
		if got[i] != wanted[i] {
			t.Errorf("the key of %q has %s, and Python has %s", input[i].Value, got[i], wanted[i])
		}
	}
}

// assigned reports whether c is a character in Unicode 13, which every Python knows. It
// accepts only the ranges that it is sure of.
func assigned(c rune) bool {
	return unicode.IsGraphic(c) && c < 0x530 || unicode.IsControl(c)
}

// The keys of a program never meet the keys of locks and versions.
func TestKeysOfLocksAndVersionsNeverMeetOthers(t *testing.T) {
	c := memoryCache(t)
	tags := must(dependency.NewTags(c, nil))
	cached := newTexts(t, c, &options{Tags: tags, NegativeTTL: time.Minute})
	ctx := t.Context()
	for _, key := range []string{
		"one_pass:k", "lock:k", "tag:t", "k", "~k", "~cw", "sha256:k", "\x00",
	} {
		for pname, get := range allLoads {
			v, err := get(cached, ctx, key+pname, (&loader{}).load, "t")
			want(t, v, err, "loaded")
			v, err = get(cached, ctx, key, (&loader{}).load, "t")
			want(t, v, err, "loaded")
		}
	}
	for _, key := range []string{"~cw:lock:k", "~cw:tag:t", "~cw:"} {
		_, getErr := cached.Get(ctx, key)
		_, multiErr := cached.GetMulti(ctx, []string{"k", key})
		_, incrErr := cached.IncrFrom(ctx, key, 1, 0)
		_, decrErr := cached.DecrFrom(ctx, key, 1, 0)
		errs := []error{
			getErr, multiErr, incrErr, decrErr,
			cached.Set(ctx, key, "v"), cached.Add(ctx, key, "v"), cached.Replace(ctx, key, "v"),
			cached.SetMulti(ctx, map[string]string{key: "v"}),
			cached.Delete(ctx, key), cached.DeleteMulti(ctx, []string{key}),
		}
		for _, get := range allLoads {
			_, err := get(cached, ctx, key, (&loader{}).load)
			errs = append(errs, err)
		}
		for i, err := range errs {
			if !errors.Is(err, core.ErrInvalidKey) {
				t.Errorf("%s: verb %d returns %v, want ErrInvalidKey", key, i, err)
			}
		}
	}
}

// The longest keys work in all patterns.
func TestTheLongestKeysWork(t *testing.T) {
	for name, c := range caches(t) {
		kinds := kindsOfNames(c)
		kinds["plain"] = options{}
		for kind, opts := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				cached := newTexts(t, c, &opts)
				for pname, get := range allLoads {
					const longest = core.MaxKeyLen
					for _, n := range []int{longest - 10, longest - 5, longest} {
						key := strings.Repeat("k", n-len(pname)) + pname
						var names []string
						if kind != "plain" {
							names = []string{"name:"}
						}
						for range 2 {
							v, err := get(cached, t.Context(), key, (&loader{}).load, names...)
							if v != "loaded" || err != nil {
								t.Errorf("%s with a key of %d bytes: %q, %.200v", pname, n, v, err)
							}
						}
					}
				}
				pass := must(patterns.NewOnePass(c, nil))
				for _, n := range []int{core.MaxKeyLen, core.MaxKeyLen + 100} {
					lease, err := pass.Try(t.Context(), strings.Repeat("p", n))
					wantErr(t, err, nil)
					_, err = pass.Try(t.Context(), strings.Repeat("p", n))
					wantErr(t, err, patterns.ErrHeld)
					if err == nil || lease != nil {
						wantErr(t, lease.Release(t.Context()), nil)
					}
				}
				key := strings.Repeat("k", core.MaxKeyLen+1)
				_, err := cached.GetOrCreate(t.Context(), key, (&loader{}).load)
				wantErr(t, err, core.ErrInvalidKey)
			})
		}
	}
}
