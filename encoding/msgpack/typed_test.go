package msgpack_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

// Over a cache that keeps flags, and over one that loses them.
func TestOrdersOverMemoryComeBack(t *testing.T) {
	for name, wrap := range map[string]func(core.Backend) core.Backend{
		"flags":    nil,
		"no flags": func(b core.Backend) core.Backend { return forgetful{b} },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := open(t, wrap)
			orders := must(core.NewTyped(c, msgpack.Codec[order]()))
			want := map[string]order{"small": small, "large": large, "zero": {}}
			if err := orders.SetMulti(ctx, want, time.Minute); err != nil {
				t.Fatal(err)
			}
			got, err := orders.GetMulti(ctx, []string{"small", "large", "zero", "none"})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("GetMulti = %.200v, %v", got, err)
			}
			if item, err := c.GetItem(ctx, "small"); err != nil || item.Flags != core.FlagBytes {
				t.Errorf("stored with flags %d, %v", item.Flags, err)
			}
		})
	}
}

// What Typed makes of the codec's errors.
func TestWhatIsRefusedIsErrCodecAndNoMiss(t *testing.T) {
	ctx := t.Context()
	c := open(t, nil)
	users := must(core.NewTyped(c, msgpack.Codec[user]()))
	if err := c.Set(ctx, "k", []byte("\xc0"), 0); err != nil {
		t.Fatal(err)
	}
	v, err := users.Get(ctx, "k")
	if v != (user{}) || !errors.Is(err, core.ErrCodec) || errors.Is(err, core.ErrMiss) {
		t.Errorf("Get = %v, %v", v, err)
	}
	if want := `cachewire: Get "k" (memory): codec: msgpack: the value is nil`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	channels := must(core.NewTyped(c, msgpack.Codec[any]()))
	if err := channels.Set(ctx, "k", make(chan int), 0); !errors.Is(err, core.ErrCodec) {
		t.Errorf("Set: %v", err)
	}
}

// What a store through Typed allocates beyond one of bytes.
func TestAStoreThroughTypedAllocatesAtMostOnceMore(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := open(t, nil)
	ctx := t.Context()
	plain := testing.AllocsPerRun(100, func() {
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
		if got := testing.AllocsPerRun(100, func() { err = set() }); got > plain+1 || err != nil {
			t.Errorf("%s: %v allocations, %v; Cache.Set has %v", name, got, err, plain)
		}
	}
}

// setter answers what stores v through Typed.
func setter[T any](t *testing.T, c *core.Cache, v T) func() error {
	typed := must(core.NewTyped(c, msgpack.Codec[T]()))
	return func() error { return typed.Set(t.Context(), "key", v, time.Minute) }
}

// The decoder has allocations of its own: what the value consists of, and more.
func TestTheCodecItselfAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	wantNoAllocs(t, small)
	wantNoAllocs(t, large)
	wantNoAllocs(t, pair[int, [4]uint64]{1, [4]uint64{2, 3}})
	wantNoAllocs[uint8](t, 200)
	wantNoAllocs(t, "text")
}

func wantNoAllocs[T any](t *testing.T, v T) {
	t.Helper()
	codec := msgpack.Codec[T]()
	data := encode(t, codec, v)
	dst := make([]byte, 0, len(data))
	var err error
	if got := testing.AllocsPerRun(100, func() { _, _, err = codec.Append(dst, v) }); got > 0 || err != nil {
		t.Errorf("Append of %.50v: %v allocations, %v", v, got, err)
	}
	src, dec := new(bytes.Reader), vmihailenco.NewDecoder(nil)
	alone := testing.AllocsPerRun(100, func() {
		src.Reset(data)
		dec.Reset(src)
		_ = dec.Decode(new(T))
	})
	if got := testing.AllocsPerRun(100, func() { _, err = codec.Decode(data, 0) }); got > alone || err != nil {
		t.Errorf("Decode of %.50v: %v allocations, %v; the decoder alone has %v", v, got, err, alone)
	}
}

// Errors lose none of what a codec keeps for the next value.
func TestAValueThatCannotBeWrittenCostsTheNextNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := msgpack.Codec[*failing]()
	good, bad := &failing{}, &failing{errors.New("no ink")}
	dst := make([]byte, 0, 100)
	if got := testing.AllocsPerRun(100, func() {
		if _, _, err := codec.Append(dst, bad); err == nil {
			t.Error("no error")
		}
		if _, _, err := codec.Append(dst, good); err != nil {
			t.Error(err)
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// A decoder that fails while it records what it passes over would go on recording.
func TestAValueThatIsCutOffCostsTheNextNothing(t *testing.T) {
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
	runtime.GC() // twice, for what lies in pools
	before := heap()
	// Two values stand for To, and so none for Content, though it looks like one.
	wantUnread(t, codec, "\x82\xa2To\x01\x02\xa7Content", 0, "EOF")
	for range 200 {
		if _, err := codec.Decode(good, 0); err != nil {
			t.Fatal(err)
		}
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d bytes in use, %d before", after, before)
	}
}

// A codec holds on to nothing that went through it, in as far as it keeps anything
// for the next value.
func TestACodecHoldsOnToNothing(t *testing.T) {
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
	written, to, read, from := weak.Make(v), weak.Make(&dst[:1][0]), weak.Make(got), weak.Make(&data[0])
	runtime.GC()
	if written.Value() != nil || to.Value() != nil {
		t.Errorf("it has the value that was written, %v, or the slice, %v", written.Value(), to.Value())
	}
	if read.Value() != nil || from.Value() != nil {
		t.Errorf("it has the value that was read, %v, or the data, %v", read.Value(), from.Value())
	}
	runtime.KeepAlive(codec)
}

func TestALongValueLeavesNoMemoryBehind(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	codec := msgpack.Codec[pair[string, string]]()
	long := pair[string, string]{"a", strings.Repeat("x", 32<<20)}
	data := encode(t, codec, long)
	runtime.GC() // twice, for what lies in pools
	before := heap()
	if _, err := codec.Decode(data, 0); err != nil {
		t.Fatal(err)
	}
	if after := heap(); after > before+8<<20 {
		t.Fatalf("%d bytes in use, %d before", after, before)
	}
	runtime.KeepAlive(long)
	runtime.KeepAlive(data)
}

// Many goroutines write and read values of many lengths with one codec.
func TestACodecMayBeUsedByManyGoroutines(t *testing.T) {
	codec := msgpack.Codec[user]()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				want := user{strings.Repeat(fmt.Sprint(g, i), i), g}
				data, flags, err := codec.Append(nil, want)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := codec.Decode(data, flags); got != want || err != nil {
					t.Errorf("%.100v comes back as %.100v, %v", want, got, err)
					return
				}
				for _, bad := range []string{string(data[:len(data)-1]), "\x81\xa3age\x90", "\x81\xa1x\x01"} {
					if v, err := codec.Decode([]byte(bad), flags); err == nil || v != (user{}) {
						t.Errorf("%.20q is read as %v", bad, v)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
