package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis/redistest"
)

func TestTheStoredFormIsAsDocumented(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	ctx := t.Context()
	item := core.Item{Key: "k", Value: []byte("value"), Flags: 0x01020304}
	wantErr(t, "Store", c.Store(ctx, core.Set, item), nil)
	first := server.Do("GET", "k")
	if len(first) != 20 || first[:7] != "\xf8cr\x01\x02\x03\x04" || first[15:] != "value" {
		t.Errorf("stored as %q", first)
	}
	wantErr(t, "Store", c.Store(ctx, core.Set, item), nil)
	if again := server.Do("GET", "k"); again[7:15] == first[7:15] {
		t.Errorf("the stamp stays %q", again[7:15])
	}

	opts := patient(server.Addr())
	opts.Plain = true
	p := openCache(t, opts)
	for _, flags := range []uint32{core.FlagBytes, core.FlagText, core.FlagInt} {
		item.Flags = flags
		wantErr(t, "Store", p.Store(ctx, core.Set, item), nil)
		if got := server.Do("GET", "k"); got != "value" {
			t.Errorf("with flags %d plain mode stores %q", flags, got)
		}
	}
	for _, item := range []core.Item{
		{Key: "k", Value: []byte("value"), Flags: core.FlagText | core.FlagZlib},
		{Key: "k", Value: []byte("\xf8cr and twelve more")},
		{Key: "k", Value: []byte("\xf8cr123456789012")},
	} {
		wantErr(t, "Store", p.Store(ctx, core.Set, item), nil)
		if got := server.Do("GET", "k"); len(got) != 15+len(item.Value) ||
			!strings.HasPrefix(got, "\xf8cr") {
			t.Errorf("plain mode stores %q as %q", item.Value, got)
		}
		for name, c := range map[string]*core.Cache{"plain": p, "default": c} {
			if got, err := c.GetItem(ctx, "k"); string(got.Value) != string(item.Value) ||
				got.Flags != item.Flags || err != nil {
				t.Errorf("%s mode reads %q, %d, %v", name, got.Value, got.Flags, err)
			}
		}
	}
	if _, err := p.IncrFrom(ctx, "n", 1, 41, 0); err != nil || server.Do("INCR", "n") != "43" {
		t.Errorf("plain mode does not share counters: %v, %s", err, server.Do("GET", "n"))
	}
}

// A value of another program is read as it is, in both modes, even if it looks like a part of a
// header.
func TestValuesWithoutAHeaderAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	for _, plain := range []bool{false, true} {
		opts := patient(server.Addr())
		opts.Plain = plain
		c := openCache(t, opts)
		ctx := t.Context()
		for _, value := range []string{
			"", "text", `{"a": 1}`, "\x80\x04pickle", "\xf8", "\xf8c", "\xf8cr",
			"\xf8cr12345678901", "\xf8cw345678901234567",
		} {
			server.Do("SET", "k", value)
			item, err := c.GetItem(ctx, "k")
			if string(item.Value) != value || item.Flags != 0 || err != nil {
				t.Errorf("%q is read as %q, %d, %v", value, item.Value, item.Flags, err)
			}
			items, err := c.GetItems(ctx, []string{"k"})
			if string(items["k"].Value) != value || err != nil {
				t.Errorf("GetItems: %q, %v", items["k"].Value, err)
			}
			item.Value = []byte("swapped")
			wantErr(t, "CompareAndSwap", c.CompareAndSwap(ctx, item), nil)
			wantErr(t, "CompareAndSwap again", c.CompareAndSwap(ctx, item), core.ErrConflict)
			server.Do("SET", "k", value)
			item, _ = c.GetItem(ctx, "k")
			server.Do("SET", "k", value+"other")
			wantErr(t, "CompareAndDelete", c.CompareAndDelete(ctx, item), core.ErrConflict)
			server.Do("DEL", "k")
			wantErr(t, "CompareAndDelete", c.CompareAndDelete(ctx, item), core.ErrMiss)
		}
		// A counter of another program stays readable for it in plain mode, and gets an exact
		// token in the default mode.
		server.Do("SET", "n", "0041", "EX", "100")
		if n, err := c.Incr(ctx, "n", 1); n != 42 || err != nil {
			t.Errorf("Incr: %d, %v", n, err)
		}
		if got := server.Do("GET", "n"); (got == "42") != plain || !strings.HasSuffix(got, "42") {
			t.Errorf("plain is %v, and after Incr the counter is %q", plain, got)
		}
		if got := server.Do("TTL", "n"); got != "100" && got != "99" {
			t.Errorf("after Incr the time to live is %s", got)
		}
		before, _ := c.GetItem(ctx, "n")
		c.Incr(ctx, "n", 1)
		c.Decr(ctx, "n", 1)
		err := c.CompareAndDelete(ctx, before)
		if plain {
			wantErr(t, "CompareAndDelete after 42, 43, 42 in plain mode", err, nil)
		} else {
			wantErr(t, "CompareAndDelete after 42, 43, 42", err, core.ErrConflict)
		}
	}
}

// The script agrees with big integers at every boundary of its arithmetic.
func TestCountersAgreeWithBigIntegers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	numbers := []uint64{0, 1, 2, 9, 10}
	for _, n := range []uint64{1e10, 1e15, 1 << 32, 1 << 53, 1 << 63, 1844674407 * 1e10, 1e19} {
		numbers = append(numbers, n-1, n, n+1)
	}
	numbers = append(numbers, math.MaxUint64-1, math.MaxUint64, 1844674406*1e10+3709551616)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		numbers = append(numbers, random.Uint64()>>random.IntN(64))
	}
	modulus := new(big.Int).Lsh(big.NewInt(1), 64)
	for _, plain := range []bool{false, true} {
		opts := patient(server.Addr())
		opts.Plain = plain
		c := openCache(t, opts)
		type step struct {
			key         string
			from, delta uint64
		}
		var steps []step
		items := map[string][]byte{}
		for _, from := range numbers {
			for _, delta := range numbers {
				key := fmt.Sprint(plain, from, " ", delta)
				steps = append(steps, step{key, from, delta})
				items[key+"up"], items[key+"down"] = []byte(fmt.Sprint(from)),
					[]byte(fmt.Sprint(from))
			}
		}
		wantErr(t, "SetMulti", c.SetMulti(t.Context(), items, time.Hour), nil)
		inParallel(len(steps), 32, func(i int) {
			s := steps[i]
			a, d := new(big.Int).SetUint64(s.from), new(big.Int).SetUint64(s.delta)
			up := new(big.Int).Mod(new(big.Int).Add(a, d), modulus).Uint64()
			if n, err := c.Incr(context.Background(), s.key+"up", s.delta); n != up || err != nil {
				t.Errorf("%d + %d = %d, %v; want %d", s.from, s.delta, n, err, up)
			}
			down := s.from - min(s.from, s.delta)
			if n, err := c.Decr(context.Background(), s.key+"down", s.delta); n != down ||
				err != nil {
				t.Errorf("%d - %d = %d, %v; want %d", s.from, s.delta, n, err, down)
			}
			for key, want := range map[string]uint64{s.key + "up": up, s.key + "down": down} {
				if n, err := c.Count(context.Background(), key); n != want || err != nil {
					t.Errorf("%s holds %d, %v; want %d", key, n, err, want)
				}
			}
		})
	}
}

// The script accepts what core.ParseCount accepts.
func TestCountersAcceptWhatParseCountAccepts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	texts := []string{
		"", " ", "0", "00", "7 ", "007  ", " 7", "7\n", "7\x00", "\x007", "+7", "-7", "0x7", "7.0",
		"1e3", "７",
		"18446744073709551615", "18446744073709551616", "018446744073709551615  ",
		"28446744073709551615",
		"99999999999999999999", "184467440737095516150", strings.Repeat("0", 5000) + "7" +
			strings.Repeat(" ", 5000),
		strings.Repeat("9", 100000), strings.Repeat("1", 100000) + "x", "9007199254740993",
	}
	for _, text := range texts {
		for _, bare := range []bool{false, true} {
			if bare {
				server.Do("SET", "n", text)
			} else {
				set(t, c, "n", text)
			}
			want, wantErr := core.ParseCount([]byte(text))
			got, err := c.Incr(t.Context(), "n", 1)
			if wantErr == nil && got != want+1 ||
				errors.Is(err, core.ErrNotNumber) != (wantErr != nil) {
				t.Errorf("Incr of %.30q is %d, %v; ParseCount returns %d, %v", text, got, err, want,
					wantErr)
			}
		}
	}
}

// The test counts the scripts that the server has run, because the server also counts the
// commands in them.
func TestCountersAndCompareVerbsAreOneRoundTrip(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	ctx := t.Context()
	verbs := func() {
		n, err := c.IncrFrom(ctx, "n", 5, 10, time.Minute)
		wantErr(t, "IncrFrom", err, nil)
		m, err := c.Decr(ctx, "n", 1)
		if wantErr(t, "Decr", err, nil); m != n-1 {
			t.Errorf("Decr of %d: %d", n, m)
		}
		item, err := c.GetItem(ctx, "n")
		wantErr(t, "GetItem", err, nil)
		wantErr(t, "CompareAndSwap", c.CompareAndSwap(ctx, item), nil)
		item, _ = c.GetItem(ctx, "n")
		wantErr(t, "CompareAndDelete", c.CompareAndDelete(ctx, item), nil)
	}
	verbs() // which makes the server know the scripts
	before := calls(t, server, "evalsha") + calls(t, server, "eval")
	verbs()
	if n := calls(t, server, "evalsha") + calls(t, server, "eval") - before; n != 4 {
		t.Errorf("4 verbs took %d calls", n)
	}
	server.Do("SCRIPT", "FLUSH")
	verbs()
}
