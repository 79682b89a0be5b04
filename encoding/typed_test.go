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

// small and large are encoded as some 100 bytes and some 10 kB of JSON.
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
			o.Lines = append(o.Lines, line{fmt.Sprint("product number ", i*7919%1000), i % 10, float64(i) * 1.25})
		}
		return o
	}()
)

func TestTheOrdersOfTheBenchmarksAreAsLongAsTheySay(t *testing.T) {
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

// What a store through Typed allocates beyond one of bytes.
func TestAStoreThroughTypedAllocatesAtMostOnceMore(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	text := strings.Repeat("text ", 2000)
	packed := &encoding.CompressOptions{Threshold: 1}
	c := open(t, true)
	ctx := t.Context()
	value := []byte("value")
	bytes := testing.AllocsPerRun(100, func() {
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
		{"Compress small", setter(t, c, encoding.Compress(encoding.JSON[order](), packed), small)},
		{"Compress large", setter(t, c, encoding.Compress(encoding.JSON[order](), packed), large)},
		{"Envelope", setter(t, c, encoding.Envelope(encoding.JSON[order](), core.Traits{}), encoding.Enveloped[order]{Value: small, Facts: allFacts})},
	} {
		var err error
		if got := testing.AllocsPerRun(100, func() { err = tt.set() }); got > bytes+1 || err != nil {
			t.Errorf("%s: %v allocations, %v; Cache.Set has %v", tt.name, got, err, bytes)
		}
	}
}

// setter answers what stores v through Typed.
func setter[T any](t *testing.T, c *core.Cache, codec core.Codec[T], v T) func() error {
	typed := must(core.NewTyped(c, codec))
	return func() error { return typed.Set(t.Context(), "key", v, time.Minute) }
}

func TestAnEnvelopeIsReadWithoutAnAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := encoding.Envelope(encoding.Bytes(), core.Traits{})
	data, flags := encode(t, codec, encoding.Enveloped[[]byte]{Value: []byte("value"), Facts: allFacts})
	var length int
	if got := testing.AllocsPerRun(100, func() {
		v, err := codec.Decode(data, flags)
		if err != nil {
			t.Error(err)
		}
		for name := range v.Facts.Tags() {
			length += len(name)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if length == 0 {
		t.Error("no tags")
	}
}

// Each codec over a cache that loses flags, Compress not.
func TestCodecsDoWithoutFlags(t *testing.T) {
	c := open(t, false)
	blobs := must(core.NewTyped(c, encoding.Bytes()))
	if err := blobs.Set(t.Context(), "k", []byte("\xf8cw\x01\x00"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := blobs.Get(t.Context(), "k"); string(got) != "\xf8cw\x01\x00" || err != nil {
		t.Errorf("Get = %q, %v", got, err)
	}
	wantKept(t, c, encoding.Text(), "text")
	wantKept(t, c, encoding.Int[int](), -7)
	wantKept(t, c, encoding.JSON[user](), user{"Ann", 40})
	wantKept(t, c, encoding.Gob[user](), user{"Ann", 40})
	for _, packed := range []core.Codec[string]{
		encoding.Compress(encoding.Text(), nil),
		encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: backwards{}}),
	} {
		if _, err := core.NewTyped(c, packed); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("NewTyped: %v, want ErrUnsupported", err)
		}
	}
	facts := must(core.NewTyped(c, encoding.Envelope(encoding.Text(), c.Traits())))
	want := encoding.Enveloped[string]{Value: "v", Facts: allFacts}
	if err := facts.Set(t.Context(), "k", want, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := facts.Get(t.Context(), "k"); got.Value != "v" || !sameFacts(&got.Facts, &allFacts) || err != nil {
		t.Errorf("Get = %v, %v", got, err)
	}
}

func wantKept[T comparable](t *testing.T, c *core.Cache, codec core.Codec[T], v T) {
	t.Helper()
	typed := must(core.NewTyped(c, codec))
	if err := typed.Set(t.Context(), "k", v, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := typed.Get(t.Context(), "k"); got != v || err != nil {
		t.Errorf("%v comes back as %v, %v", v, got, err)
	}
}

// What Typed makes of a codec's error.
func TestWhatACodecRefusesIsErrCodec(t *testing.T) {
	c := open(t, true)
	ctx := t.Context()
	if err := c.Store(ctx, core.Set, core.Item{Key: "k", Value: []byte("\x80\x04\x88."), Flags: flagPickle}); err != nil {
		t.Fatal(err)
	}
	_, err := must(core.NewTyped(c, encoding.JSON[user]())).Get(ctx, "k")
	if !errors.Is(err, core.ErrCodec) || !strings.Contains(err.Error(), `Get "k" (memory): codec: the value is a Python pickle`) {
		t.Errorf("Get: %v", err)
	}
	big := must(core.NewTyped(c, encoding.Compress(encoding.Text(), &encoding.CompressOptions{MaxSize: 3})))
	if err := big.Set(ctx, "k", "four", 0); !errors.Is(err, core.ErrCodec) || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Set: %v", err)
	}
}

// On a cache that keeps nothing all is as ever, and read is nothing.
func TestCodecsOverNull(t *testing.T) {
	c, err := core.New(null.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	users := must(core.NewTyped(c, encoding.Envelope(encoding.Compress(encoding.JSON[user](), nil), c.Traits())))
	if err := users.Set(t.Context(), "k", encoding.Enveloped[user]{Facts: allFacts}, 0); err != nil {
		t.Errorf("Set: %v", err)
	}
	if v, err := users.Get(t.Context(), "k"); err != core.ErrMiss {
		t.Errorf("Get = %v, %v; want ErrMiss", v, err)
	}
}
