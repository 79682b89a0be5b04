package msgpack_test

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

func TestOrdersRoundTripWithAndWithoutFlags(t *testing.T) {
	for name, wrap := range map[string]func(core.Backend) core.Backend{
		"flags":    nil,
		"no flags": func(b core.Backend) core.Backend { return flagless{b} },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := newCache(t, wrap)
			orders := must(core.NewTyped(c, msgpack.Codec[order]()))
			want := map[string]order{"small": small, "large": large, "zero": {}}
			if err := orders.SetMulti(ctx, want, time.Minute); err != nil {
				t.Fatal(err)
			}
			got, err := orders.GetMulti(ctx, []string{"small", "large", "zero", "none"})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("GetMulti = %.200v, %v; want all orders", got, err)
			}
			flags := encoding.FlagMsgPack
			if wrap != nil {
				flags = 0
			}
			if item, err := c.GetItem(ctx, "small"); err != nil || item.Flags != flags {
				t.Errorf("stored with flags %#x, %v; want %#x", item.Flags, err, flags)
			}
		})
	}
}

func TestTypedReturnsErrorsOfTheCodecAsErrCodec(t *testing.T) {
	ctx := t.Context()
	c := newCache(t, nil)
	users := must(core.NewTyped(c, msgpack.Codec[user]()))
	if err := c.Set(ctx, "k", []byte("\xc0"), 0); err != nil {
		t.Fatal(err)
	}
	v, err := users.Get(ctx, "k")
	if v != (user{}) || !errors.Is(err, core.ErrCodec) || errors.Is(err, core.ErrMiss) {
		t.Errorf("Get = %v, %v; want ErrCodec", v, err)
	}
	const want = `cachewire: Get "k" (memory): codec: msgpack: the value is nil`
	if err == nil || err.Error() != want {
		t.Errorf("Get: error is %v, want %s", err, want)
	}
	channels := must(core.NewTyped(c, msgpack.Codec[any]()))
	if err := channels.Set(ctx, "k", make(chan int), 0); !errors.Is(err, core.ErrCodec) {
		t.Errorf("Set: error is %v, want ErrCodec", err)
	}
}

func TestTypedSetAllocatesAtMostOnceMoreThanCacheSet(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := newCache(t, nil)
	ctx := t.Context()
	ofCache := testing.AllocsPerRun(100, func() {
		if err := c.Set(ctx, "key", []byte("value"), time.Minute); err != nil {
			t.Error(err)
		}
	})
	for name, set := range map[string]func() error{
		"small":   setter(t, c, small),
		"large":   setter(t, c, large),
		"pointer": setter(t, c, &large),
		"string":  setter(t, c, strings.Repeat("x", 10_000)),
		"int":     setter(t, c, int64(-1<<63)),
		"time":    setter(t, c, pair[string, time.Time]{"a", time.Now()}),
	} {
		var err error
		got := testing.AllocsPerRun(100, func() { err = set() })
		if got > ofCache+1 || err != nil {
			t.Errorf("%s: %v allocations, %v; Cache.Set has %v", name, got, err, ofCache)
		}
	}
}

// setter returns a function that stores v through Typed.
func setter[T any](t *testing.T, c *core.Cache, v T) func() error {
	typed := must(core.NewTyped(c, msgpack.Codec[T]()))
	return func() error { return typed.Set(t.Context(), "key", v, time.Minute) }
}

// The decoder allocates the parts of a value, and more. The codec adds nothing to this.
func TestTheCodecAllocatesNoMoreThanTheDecoder(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	wantNoAllocs(t, small)
	wantNoAllocs(t, large)
	wantNoAllocs(t, pair[int, [4]uint64]{1, [4]uint64{2, 3}})
	wantNoAllocs[uint8](t, 200)
	wantNoAllocs(t, "text")
}

// wantNoAllocs fails if encoding v allocates, or if decoding it allocates more than the
// decoder.
func wantNoAllocs[T any](t *testing.T, v T) {
	t.Helper()
	codec := msgpack.Codec[T]()
	data := encode(t, codec, v)
	dst := make([]byte, 0, len(data))
	var err error
	got := testing.AllocsPerRun(100, func() { _, _, err = codec.Append(dst, v) })
	if got > 0 || err != nil {
		t.Errorf("Append of %.50v: %v allocations, want none, %v", v, got, err)
	}
	src, dec := new(bytes.Reader), vmihailenco.NewDecoder(nil)
	ofDecoder := testing.AllocsPerRun(100, func() {
		src.Reset(data)
		dec.Reset(src)
		_ = dec.Decode(new(T))
	})
	got = testing.AllocsPerRun(100, func() { _, err = codec.Decode(data, 0) })
	if got > ofDecoder || err != nil {
		t.Errorf("Decode of %.50v: %v allocations, %v; the decoder has %v",
			v, got, err, ofDecoder)
	}
}

// After an error, a codec also keeps what it reuses for the next value.
func TestAnErrorOfAppendDoesNotMakeTheNextValueAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := msgpack.Codec[*failing]()
	good, bad := &failing{}, &failing{errors.New("no ink")}
	dst := make([]byte, 0, 100)
	got := testing.AllocsPerRun(100, func() {
		if _, _, err := codec.Append(dst, bad); err == nil {
			t.Error("Append succeeds, want an error")
		}
		if _, _, err := codec.Append(dst, good); err != nil {
			t.Error(err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// A decoder that fails while it records the bytes that it skips would continue to record.
func TestAnErrorOfDecodeDoesNotMakeTheNextValuesTakeMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	type parcel struct {
		To      point
		From    string
		Content vmihailenco.RawMessage
	}
	codec := msgpack.Codec[parcel]()
	good := []byte("\x81\xa4From\xdb\x00\x01\x00\x00" + strings.Repeat("x", 1<<16))
	runtime.GC() // a pool frees its values at the second collection
	before := heap()
	// To takes two values, so that Content, which seems to follow, has none.
	wantDecodeErr(t, codec, "\x82\xa2To\x01\x02\xa7Content", 0, "EOF")
	for range 200 {
		if _, err := codec.Decode(good, 0); err != nil {
			t.Fatal(err)
		}
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d bytes in use, %d before the error", after, before)
	}
}

// A codec keeps memory for the next value. That does not refer to the values and slices that
// the codec was given or has returned.
func TestACodecKeepsNoReferences(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	codec := msgpack.Codec[*user]()
	v := &user{strings.Repeat("Ann", 100), 40}
	dst := make([]byte, 0, 1000)
	data, _, err := codec.Append(dst, v)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Clone(data)
	got, err := codec.Decode(data, 0)
	if err != nil || *got != *v {
		t.Fatal(got, err)
	}
	written, dstBytes := weak.Make(v), weak.Make(&dst[:1][0])
	read, dataBytes := weak.Make(got), weak.Make(&data[0])
	runtime.GC()
	if written.Value() != nil || dstBytes.Value() != nil {
		t.Errorf("the codec refers to the value that was written, %v, or to dst, %v",
			written.Value(), dstBytes.Value())
	}
	if read.Value() != nil || dataBytes.Value() != nil {
		t.Errorf("the codec refers to the value that was read, %v, or to data, %v",
			read.Value(), dataBytes.Value())
	}
	runtime.KeepAlive(codec)
}

func TestALongValueIsNotKeptInMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	codec := msgpack.Codec[pair[string, string]]()
	long := pair[string, string]{"a", strings.Repeat("x", 32<<20)}
	data := encode(t, codec, long)
	runtime.GC() // a pool frees its values at the second collection
	before := heap()
	if _, err := codec.Decode(data, 0); err != nil {
		t.Fatal(err)
	}
	if after := heap(); after > before+8<<20 {
		t.Fatalf("%d bytes in use, %d before the value", after, before)
	}
	runtime.KeepAlive(long)
	runtime.KeepAlive(data)
}
