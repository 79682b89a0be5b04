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

// The form of the header, the number of blocks, and the way to give the window change at
// these lengths.
func TestValuesOfAnyLengthRoundTrip(t *testing.T) {
	for _, length := range []int{
		1, 20, 256, 1 << 10, 64<<10 + 256, 128 << 10, 256 << 10, 1 << 20, 2 << 20,
	} {
		for n := length - 1; n <= length+1; n++ {
			for name, src := range map[string][]byte{
				"text": text(n), "noise": noise(n), "zeros": make([]byte, n),
			} {
				packed := compressed(t, src)
				if len(packed) > n+n/1000+20 {
					t.Errorf("%d bytes of %s are compressed to %d", n, name, len(packed))
				}
				got, err := decompressed(packed)
				if err != nil || !bytes.Equal(got, src) {
					t.Errorf("%d bytes of %s are decompressed to %d, %v", n, name, len(got), err)
				}
			}
		}
	}
}

func TestTheEmptyValueRoundTrips(t *testing.T) {
	for _, src := range [][]byte{nil, {}} {
		packed := compressed(t, src)
		got, err := decompressed(packed)
		if len(packed) == 0 || len(got) != 0 || err != nil {
			t.Errorf("compressed to %q, decompressed to %q, %v", packed, got, err)
		}
	}
}

// The value is the longest that Compress stores by default. Its beginning and its end are
// the same.
func TestTheLongestValueRoundTrips(t *testing.T) {
	src := make([]byte, 64<<20)
	copy(src, text(3<<20))
	copy(src[len(src)-3<<20:], text(3<<20))
	codec := encoding.Compress(encoding.Bytes(), &encoding.CompressOptions{With: zstd.New()})
	data, flags, err := codec.Append(nil, src)
	if err != nil || flags != zstd.Flag || len(data) > len(src)/10 {
		t.Fatalf("Append = %d bytes with flags %d, %v", len(data), flags, err)
	}
	if got, err := codec.Decode(data, flags); err != nil || !bytes.Equal(got, src) {
		t.Errorf("Decode = %d bytes, %v; want the value", len(got), err)
	}
}

func TestAppendKeepsNoReferenceToItsArguments(t *testing.T) {
	src := text(5000)
	dst := make([]byte, 0, 10_000)
	packed, err := zstd.New().Append(dst, src)
	if err != nil {
		t.Fatal(err)
	}
	if &packed[0] != &dst[:1][0] {
		t.Error("Append does not use dst, which has enough room")
	}
	want := bytes.Clone(packed)
	clear(src)
	compressed(t, noise(5000))
	if !bytes.Equal(packed, want) {
		t.Error("the appended bytes have changed")
	}
}

func TestTheFlagIsNotUsedByOthers(t *testing.T) {
	used := []uint32{core.FlagInt, core.FlagZlib, core.FlagText, core.FlagEnvelope, 1, 4}
	if zstd.New().Flag() != zstd.Flag || zstd.Flag != 1<<17 {
		t.Errorf("Flag() = %d, Flag is %d, want %d", zstd.New().Flag(), zstd.Flag, 1<<17)
	}
	for _, f := range used {
		if zstd.Flag&f != 0 {
			t.Errorf("Flag %d has bits of %d", zstd.Flag, f)
		}
	}
}

// Codecs with zlib, or without compression, do not read what zstd compressed. Compress
// with zstd reads what they write.
func TestLongOrdersAreCompressed(t *testing.T) {
	c := newCache(t, nil)
	ctx := t.Context()
	plain, zlib := encoding.JSON[order](), encoding.Compress(encoding.JSON[order](), nil)
	codec := encoding.Compress(plain, &encoding.CompressOptions{With: zstd.New()})
	orders := must(core.NewTyped(c, codec))
	for key, v := range map[string]order{"small": small, "large": large} {
		if err := orders.Set(ctx, key, v, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got, err := orders.Get(ctx, key); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("Get of %s = %v, %v; want %v", key, got, err, v)
		}
	}
	for key, want := range map[string]uint32{
		"small": core.FlagText,
		"large": core.FlagText | zstd.Flag,
	} {
		item, err := c.GetItem(ctx, key)
		if err != nil || item.Flags != want || len(item.Value) > 4000 {
			t.Errorf("%s is stored as %d bytes with flags %d, %v; want flags %d",
				key, len(item.Value), item.Flags, err, want)
		}
	}
	for name, codec := range map[string]core.Codec[order]{"JSON": plain, "zlib": zlib} {
		others := must(core.NewTyped(c, codec))
		if v, err := others.Get(ctx, "large"); !errors.Is(err, core.ErrCodec) || v.ID != 0 {
			t.Errorf("%s: Get = %v, %v; want ErrCodec", name, v, err)
		}
		if err := others.Set(ctx, name, large, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := orders.Get(ctx, name); err != nil || !reflect.DeepEqual(got, large) {
			t.Errorf("Get of the value that %s wrote = %v, %v", name, got, err)
		}
	}
}

func TestNewTypedRefusesABackendWithoutFlags(t *testing.T) {
	c := newCache(t, func(b core.Backend) core.Backend { return flagless{b} })
	codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: zstd.New()})
	_, err := core.NewTyped(c, codec)
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("NewTyped: error is %v, want ErrUnsupported", err)
	}
}

// The values have many lengths. Some are truncated, and some are not read to their end.
func TestACompressionMayBeUsedByManyGoroutines(t *testing.T) {
	codec := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{With: zstd.New(), Threshold: 1})
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
					t.Error("Decode of a truncated value succeeds, want an error")
				}
				r, err := zstd.New().Reader(data)
				if err != nil {
					t.Error(err)
					return
				}
				part := make([]byte, 50)
				n, err := r.Read(part)
				if string(part[:n]) != want[:n] || n == 0 || err != nil {
					t.Errorf("Read = %q, %v; want the beginning of the value", part[:n], err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if got, err := codec.Decode(data, flags); got != want || err != nil {
					t.Errorf("%.50q is decoded as %.50q, %v", want, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestNoGoroutinesAreStarted(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		packed := compressed(t, text(300_000))
		if _, err := decompressed(packed); err != nil {
			t.Error(err)
		}
		if _, err := decompressed(packed[:len(packed)-1]); err == nil {
			t.Error("reading a truncated value succeeds, want an error")
		}
		r, err := zstd.New().Reader(packed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Fatalf("%d goroutines while a value is read, want %d as before", n, before)
		}
		r.Close()
	}
}

func TestTypedSetAllocatesNoMoreThanCacheSet(t *testing.T) {
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
	codec := encoding.Compress(encoding.JSON[*order](),
		&encoding.CompressOptions{With: zstd.New(), Threshold: 1})
	orders := must(core.NewTyped(c, codec))
	for name, v := range map[string]*order{"small": &small, "large": &large} {
		got := testing.AllocsPerRun(100, func() {
			if err := orders.Set(ctx, "key", v, time.Minute); err != nil {
				t.Error(err)
			}
		})
		if got > ofCache {
			t.Errorf("%s: %v allocations, Cache.Set has %v", name, got, ofCache)
		}
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	packed := compressed(t, text(10_000))
	buf := make([]byte, 10_001)
	got := testing.AllocsPerRun(100, func() {
		r, err := zstd.New().Reader(packed)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := r.Read(buf); n != 10_000 {
			t.Errorf("Read = %d bytes, want 10,000", n)
		}
		r.Close()
	})
	if got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func TestALongValueIsNotKeptInMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops part of a sync.Pool")
	}
	src := noise(32 << 20)
	runtime.GC() // a pool frees its values at the second collection
	before := heap()
	compressed(t, src)
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d bytes in use, %d before the value", after, before)
	}
	runtime.KeepAlive(src)
}
