package encoding_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/null"
)

// An order is what benchmarks store: small takes about 100 bytes as JSON, and large 10 kB.
type order struct {
	ID       int64
	Customer string
	Paid     bool
	Lines    []line
}

type line struct {
	Product string
	Count   int
	Price   float64
}

var (
	small = order{7_000_001, "Ann Miller", true, []line{{"tea, green", 2, 4.5}}}
	large = func() order {
		o := order{ID: 7_000_002, Customer: "Bob Miller"}
		for i := range 180 {
			o.Lines = append(o.Lines, line{
				fmt.Sprint("product number ", i*7919%1000), i % 10, float64(i) * 1.25,
			})
		}
		return o
	}()
)

func TestTheOrdersOfBenchmarksHaveTheStatedLengths(t *testing.T) {
	for _, tt := range []struct {
		order order
		want  int
	}{{small, 100}, {large, 10_000}} {
		data, _ := encode(t, encoding.JSON[order](), tt.order)
		if n := len(data); n < tt.want*9/10 || n > tt.want*11/10 {
			t.Errorf("%d bytes, want about %d", n, tt.want)
		}
	}
}

func TestTypedSetAllocatesAtMostOnceMoreThanCacheSet(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	text := strings.Repeat("text ", 2000)
	packed := encoding.Compress(encoding.JSON[order](), &encoding.CompressOptions{Threshold: 1})
	enveloped := encoding.Envelope(encoding.JSON[order](), core.Traits{})
	smallWithFacts := encoding.Enveloped[order]{Value: small, Facts: allFacts}
	type pointers struct {
		ID    *int64
		Order *order
	}
	ID := int64(7)
	c := newCache(t, true)
	ctx := t.Context()
	value := []byte("value")
	ofCache := testing.AllocsPerRun(100, func() {
		if err := c.Set(ctx, "key", value, time.Minute); err != nil {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		name string
		set  func() error
	}{
		{"Bytes", setter(t, c, encoding.Bytes(), []byte(text))},
		{"Text", setter(t, c, encoding.Text(), text)},
		{"Int", setter(t, c, encoding.Int[int64](), -1<<63)},
		{"JSON small", setter(t, c, encoding.JSON[order](), small)},
		{"JSON large", setter(t, c, encoding.JSON[order](), large)},
		{"JSON pointer", setter(t, c, encoding.JSON[*order](), &large)},
		{"Gob small", setter(t, c, encoding.Gob[order](), small)},
		{"Gob large", setter(t, c, encoding.Gob[order](), large)},
		{"Gob pointer", setter(t, c, encoding.Gob[*order](), &large)},
		{"Gob pointers",
			setter(t, c, encoding.Gob[[]pointers](), []pointers{{&ID, nil}, {&ID, &large}})},
		{"JSON pointers", setter(t, c, encoding.JSON[[]pointers](), []pointers{{&ID, nil}})},
		{"Compress small", setter(t, c, packed, small)},
		{"Compress large", setter(t, c, packed, large)},
		{"Envelope", setter(t, c, enveloped, smallWithFacts)},
	} {
		var err error
		got := testing.AllocsPerRun(100, func() { err = tt.set() })
		if got > ofCache+1 || err != nil {
			t.Errorf("%s: %v allocations, %v; Cache.Set has %v", tt.name, got, err, ofCache)
		}
	}
}

// setter returns a function that stores v through Typed.
func setter[T any](t *testing.T, c *core.Cache, codec core.Codec[T], v T) func() error {
	typed := must(core.NewTyped(c, codec))
	return func() error { return typed.Set(t.Context(), "key", v, time.Minute) }
}

func TestReadingAnEnvelopeDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := encoding.Envelope(encoding.Bytes(), core.Traits{})
	v := encoding.Enveloped[[]byte]{Value: []byte("value"), Facts: allFacts}
	data, flags := encode(t, codec, v)
	var length int
	got := testing.AllocsPerRun(100, func() {
		v, err := codec.Decode(data, flags)
		if err != nil {
			t.Error(err)
		}
		for name := range v.Facts.Tags() {
			length += len(name)
		}
	})
	if got != 0 {
		t.Errorf("Decode and Tags: %v allocations, want none", got)
	}
	if length == 0 {
		t.Error("no tags")
	}
}

// All codecs do, except Compress.
func TestCodecsWorkWithoutFlags(t *testing.T) {
	c := newCache(t, false)
	blobs := must(core.NewTyped(c, encoding.Bytes()))
	if err := blobs.Set(t.Context(), "k", []byte("\xf8cw\x01\x00"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := blobs.Get(t.Context(), "k"); string(got) != "\xf8cw\x01\x00" || err != nil {
		t.Errorf("Get = %q, %v; want the value that looks like an envelope", got, err)
	}
	wantKept(t, c, encoding.Text(), "text")
	wantKept(t, c, encoding.Int[int](), -7)
	wantKept(t, c, encoding.JSON[user](), user{"Ann", 40})
	wantKept(t, c, encoding.Gob[user](), user{"Ann", 40})
	for _, packed := range []core.Codec[string]{
		encoding.Compress(encoding.Text(), nil),
		encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: reverser{}}),
	} {
		if _, err := core.NewTyped(c, packed); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("NewTyped: error is %v, want ErrUnsupported", err)
		}
	}
	facts := must(core.NewTyped(c, encoding.Envelope(encoding.Text(), c.Traits())))
	want := encoding.Enveloped[string]{Value: "v", Facts: allFacts}
	if err := facts.Set(t.Context(), "k", want, 0); err != nil {
		t.Fatal(err)
	}
	got, err := facts.Get(t.Context(), "k")
	if got.Value != "v" || !sameFacts(&got.Facts, &allFacts) || err != nil {
		t.Errorf("Get = %v, %v; want %v", got, err, want)
	}
}

// wantKept fails unless c returns v after it has stored it.
func wantKept[T comparable](t *testing.T, c *core.Cache, codec core.Codec[T], v T) {
	t.Helper()
	typed := must(core.NewTyped(c, codec))
	if err := typed.Set(t.Context(), "k", v, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := typed.Get(t.Context(), "k"); got != v || err != nil {
		t.Errorf("Get = %v, %v; want %v", got, err, v)
	}
}

func TestTypedReturnsErrorsOfCodecsAsErrCodec(t *testing.T) {
	c := newCache(t, true)
	ctx := t.Context()
	item := core.Item{Key: "k", Value: []byte("\x80\x04\x88."), Flags: flagPickle}
	if err := c.Store(ctx, core.Set, item); err != nil {
		t.Fatal(err)
	}
	const want = `Get "k" (memory): codec: the value is a Python pickle`
	_, err := must(core.NewTyped(c, encoding.JSON[user]())).Get(ctx, "k")
	if !errors.Is(err, core.ErrCodec) || !strings.Contains(err.Error(), want) {
		t.Errorf("Get: error is %v, want ErrCodec with %q", err, want)
	}
	short := encoding.Compress(encoding.Text(), &encoding.CompressOptions{MaxSize: 3})
	err = must(core.NewTyped(c, short)).Set(ctx, "k", "four", 0)
	if !errors.Is(err, core.ErrCodec) || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Set: error is %v, want ErrCodec and ErrTooLarge", err)
	}
}

func TestCodecsWorkOverABackendThatKeepsNothing(t *testing.T) {
	c, err := core.New(null.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	codec := encoding.Envelope(encoding.Compress(encoding.JSON[user](), nil), c.Traits())
	users := must(core.NewTyped(c, codec))
	v := encoding.Enveloped[user]{Facts: allFacts}
	if err := users.Set(t.Context(), "k", v, 0); err != nil {
		t.Errorf("Set: %v", err)
	}
	if v, err := users.Get(t.Context(), "k"); err != core.ErrMiss {
		t.Errorf("Get = %v, %v; want ErrMiss", v, err)
	}
}
