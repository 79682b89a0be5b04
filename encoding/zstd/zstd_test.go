package zstd_test

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

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// The lengths at which the form of the header, the number of blocks, or the way to
// tell the window changes.
func TestValuesOfAnyLengthComeBack(t *testing.T) {
	for _, at := range []int{1, 20, 256, 1 << 10, 64<<10 + 256, 128 << 10, 256 << 10, 1 << 20, 2 << 20} {
		for n := at - 1; n <= at+1; n++ {
			for name, src := range map[string][]byte{"text": text(n), "noise": noise(n), "zeros": make([]byte, n)} {
				packed := compressed(t, src)
				if len(packed) > n+n/1000+20 {
					t.Errorf("%d bytes of %s become %d", n, name, len(packed))
				}
				got, err := plain(packed)
				if err != nil || !bytes.Equal(got, src) {
					t.Errorf("%d bytes of %s come back as %d, %v", n, name, len(got), err)
				}
			}
		}
	}
}

func TestNothingComesBackAsNothing(t *testing.T) {
	for _, src := range [][]byte{nil, {}} {
		packed := compressed(t, src)
		if got, err := plain(packed); len(packed) == 0 || len(got) != 0 || err != nil {
			t.Errorf("stored as %q, comes back as %q, %v", packed, got, err)
		}
	}
}

// The longest value that Compress stores by default, of which the ends are alike.
func TestTheLongestValueComesBack(t *testing.T) {
	src := make([]byte, 64<<20)
	copy(src, text(3<<20))
	copy(src[len(src)-3<<20:], text(3<<20))
	codec := encoding.Compress(encoding.Bytes(), &encoding.CompressOptions{With: zstd.New()})
	data, flags, err := codec.Append(nil, src)
	if err != nil || flags != zstd.Flag || len(data) > len(src)/10 {
		t.Fatalf("%d bytes with flags %d, %v", len(data), flags, err)
	}
	if got, err := codec.Decode(data, flags); err != nil || !bytes.Equal(got, src) {
		t.Errorf("comes back as %d bytes, %v", len(got), err)
	}
}

func TestNeitherSliceIsKept(t *testing.T) {
	src := text(5000)
	dst := make([]byte, 0, 10_000)
	packed, err := zstd.New().Append(dst, src)
	if err != nil {
		t.Fatal(err)
	}
	if &packed[0] != &dst[:1][0] {
		t.Error("dst has room, and was not used")
	}
	want := bytes.Clone(packed)
	clear(src)
	compressed(t, noise(5000))
	if !bytes.Equal(packed, want) {
		t.Error("what was appended has changed")
	}
}

func TestAFlagOfItsOwn(t *testing.T) {
	taken := []uint32{core.FlagInt, core.FlagZlib, core.FlagText, core.FlagEnvelope, 1, 4}
	if zstd.New().Flag() != zstd.Flag || zstd.Flag != 1<<17 {
		t.Errorf("Flag is %d, and %d", zstd.New().Flag(), zstd.Flag)
	}
	for _, f := range taken {
		if zstd.Flag&f != 0 {
			t.Errorf("%d has bits of %d", zstd.Flag, f)
		}
	}
}

// What stands in the cache, and who can read it.
func TestOrdersOverMemoryAreCompressed(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	plain, zlib := encoding.JSON[order](), encoding.Compress(encoding.JSON[order](), nil)
	orders := must(core.NewTyped(c, encoding.Compress(plain, &encoding.CompressOptions{With: zstd.New()})))
	for key, v := range map[string]order{"small": small, "large": large} {
		if err := orders.Set(ctx, key, v, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got, err := orders.Get(ctx, key); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s comes back as %v, %v", key, got, err)
		}
	}
	for key, want := range map[string]uint32{"small": core.FlagText, "large": core.FlagText | zstd.Flag} {
		item, err := c.GetItem(ctx, key)
		if err != nil || item.Flags != want || len(item.Value) > 4000 {
			t.Errorf("%s is stored in %d bytes with flags %d, %v; want flags %d", key, len(item.Value), item.Flags, err, want)
		}
	}
	for name, codec := range map[string]core.Codec[order]{"JSON": plain, "zlib": zlib} {
		others := must(core.NewTyped(c, codec))
		if v, err := others.Get(ctx, "large"); !errors.Is(err, core.ErrCodec) || v.ID != 0 {
			t.Errorf("%s reads it as %v, %v", name, v, err)
		}
		if err := others.Set(ctx, name, large, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := orders.Get(ctx, name); err != nil || !reflect.DeepEqual(got, large) {
			t.Errorf("what %s wrote is read as %v, %v", name, got, err)
		}
	}
}

func TestWithoutFlagsItIsUnsupported(t *testing.T) {
	c := open(t, func(b core.Backend) core.Backend { return forgetful{b} })
	_, err := core.NewTyped(c, encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: zstd.New()}))
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("NewTyped: %v, want ErrUnsupported", err)
	}
}

// Values of many lengths, some cut off, some not read to their end.
func TestItMayBeUsedByManyGoroutines(t *testing.T) {
	codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: zstd.New(), Threshold: 1})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				want := strings.Repeat(fmt.Sprint("value ", g, i), 10+i*i%997)
				data, flags, err := codec.Append(nil, want)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := codec.Decode(data[:len(data)-1], flags); err == nil {
					t.Error("a value that is cut off is read")
				}
				r, err := zstd.New().Reader(data)
				if err != nil {
					t.Error(err)
					return
				}
				part := make([]byte, 50)
				if n, err := r.Read(part); string(part[:n]) != want[:n] || n == 0 || err != nil {
					t.Errorf("the beginning is %q, %v", part[:n], err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if got, err := codec.Decode(data, flags); got != want || err != nil {
					t.Errorf("%.50q comes back as %.50q, %v", want, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestNoGoroutineStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		packed := compressed(t, text(300_000))
		if _, err := plain(packed); err != nil {
			t.Error(err)
		}
		if _, err := plain(packed[:len(packed)-1]); err == nil {
			t.Error("a value that is cut off is read")
		}
		r, err := zstd.New().Reader(packed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Fatalf("%d goroutines while a value is read, %d before", n, before)
		}
		r.Close()
	}
}

func TestAStoreThroughTypedAllocatesNoMoreThanOneOfBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := open(t, nil)
	ctx := t.Context()
	bytes := testing.AllocsPerRun(100, func() {
		if err := c.Set(ctx, "key", []byte("value"), time.Minute); err != nil {
			t.Error(err)
		}
	})
	codec := encoding.Compress(encoding.JSON[*order](), &encoding.CompressOptions{With: zstd.New(), Threshold: 1})
	orders := must(core.NewTyped(c, codec))
	for name, v := range map[string]*order{"small": &small, "large": &large} {
		if got := testing.AllocsPerRun(100, func() {
			if err := orders.Set(ctx, "key", v, time.Minute); err != nil {
				t.Error(err)
			}
		}); got > bytes {
			t.Errorf("%s: %v allocations, Cache.Set has %v", name, got, bytes)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	packed := compressed(t, text(10_000))
	into := make([]byte, 10_001)
	if got := testing.AllocsPerRun(100, func() {
		r, err := zstd.New().Reader(packed)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := r.Read(into); n != 10_000 {
			t.Errorf("read %d bytes", n)
		}
		r.Close()
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// A buffer that was needed once is not kept for ever.
func TestALongValueLeavesNoMemoryBehind(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	src := noise(32 << 20)
	runtime.GC() // twice, for what lies in pools
	before := heap()
	compressed(t, src)
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d bytes in use, %d before", after, before)
	}
	runtime.KeepAlive(src)
}
