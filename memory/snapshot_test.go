package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// save returns a snapshot of b.
func save(t testing.TB, b *Backend) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := b.Save(context.Background(), &buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// load returns a Backend with the items of a snapshot.
func load(t testing.TB, opts *Options, snapshot []byte) (*Backend, int) {
	t.Helper()
	b := must(New(opts))
	n, err := b.Load(context.Background(), bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	audit(t.(*testing.T), b)
	return b, n
}

func TestLoadStoresWhatSaveHasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		ctx := t.Context()
		longKey := strings.Repeat("k", maxStoredKey)
		large := strings.Repeat("x", 3*maxPlain)
		for _, item := range []core.Item{
			{Key: "never", Value: []byte("v"), Flags: 1<<32 - 1},
			{Key: "an hour", Value: []byte("v2"), TTL: time.Hour},
			{Key: "empty"},
			{Key: longKey, Value: []byte(large), TTL: core.Forever - 1},
			{Key: "n", Value: []byte("18446744073709551614"), Flags: core.FlagInt, TTL: 2 * time.Hour},
			{Key: "over when loaded", Value: []byte("v"), TTL: 20 * time.Minute},
			{Key: "over when saved", Value: []byte("v"), TTL: time.Minute},
		} {
			if err := b.Store(ctx, core.Set, item); err != nil {
				t.Fatal(err)
			}
		}
		b.Incr(ctx, "n", 1)
		for i := range 10_000 {
			set(t, b, key(i), fmt.Append(nil, i), time.Duration(i)*time.Hour)
		}
		for _, value := range []any{3.5, nil} {
			item := core.Item{Key: fmt.Sprint("shared ", value)}
			if err := b.StoreShared(ctx, core.Set, item, value); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		var snapshot bytes.Buffer
		if n, err := b.Save(ctx, &snapshot); n != 10_006 || err != nil {
			t.Errorf("Save returns %d and error %v, want 10006", n, err)
		}
		time.Sleep(20 * time.Minute) // on disk
		got, n := load(t, nil, snapshot.Bytes())
		if items := collect(t, got, ""); n != 10_005 || len(items) != n {
			t.Errorf("Load returns %d, and there are %d items, want 10005", n, len(items))
		}
		want := collect(t, b, "")
		for k, item := range collect(t, got, "") {
			w := want[k]
			if string(item.Value) != string(w.Value) || item.Flags != w.Flags || item.TTL != w.TTL &&
				(k != longKey || item.TTL < 200*365*24*time.Hour) {
				t.Errorf("Load stores %.20q=%.20q with flags %d for %v, want %.20q with %d for %v",
					k, item.Value, item.Flags, item.TTL, w.Value, w.Flags, w.TTL)
			}
		}
		if n, err := got.Incr(ctx, "n", 2); n != 1 || err != nil {
			t.Errorf("Incr of a loaded counter returns %d and error %v, want 1", n, err)
		}
	})
}

func TestLoadKeepsItemsThatArePresent(t *testing.T) {
	b := must(New(nil))
	set(t, b, "old", []byte("1"), 0)
	set(t, b, "k", []byte("old"), 0)
	snapshot := save(t, b)
	set(t, b, "k", []byte("new"), 0)
	b.Delete(t.Context(), "old")
	n, err := b.Load(t.Context(), bytes.NewReader(snapshot))
	item, _ := b.GetItem(t.Context(), "k")
	if n != 1 || err != nil || string(item.Value) != "new" || !has(b, "old") {
		t.Errorf("Load returns %d and error %v; the present item is %q", n, err, item.Value)
	}
}

func TestLoadRespectsTheBounds(t *testing.T) {
	b := must(New(nil))
	for i := range 5000 {
		set(t, b, key(i), make([]byte, 100), 0)
	}
	set(t, b, "large", make([]byte, 2<<20), 0)
	set(t, b, "huge", make([]byte, 20<<20), 0)
	snapshot := save(t, b)
	for _, opts := range []Options{
		{MaxItems: 1000}, {MaxBytes: 1 << 20}, {MaxBytes: 200}, {MaxBytes: 1},
	} {
		got, n := load(t, &opts, snapshot)
		if s := stats(got); int(s.Items) != n || s.Evictions != 0 ||
			opts.MaxItems > 0 && n != opts.MaxItems || opts.MaxBytes >= 1<<20 && n < 4000 {
			t.Errorf("%+v: Load returns %d; %+v", opts, n, s)
		}
	}
}

// Whatever byte is changed or missing, Load returns ErrSnapshot and stores nothing.
func TestLoadOfADamagedSnapshotStoresNothing(t *testing.T) {
	b := must(New(nil))
	for i := range 5 {
		set(t, b, key(i), fmt.Append(nil, i), time.Hour)
	}
	snapshot := save(t, b)
	check := func(what string, damaged []byte) {
		t.Helper()
		b := must(New(nil))
		n, err := b.Load(t.Context(), bytes.NewReader(damaged))
		if !errors.Is(err, ErrSnapshot) || n != 0 || b.Counts().Inserts != 0 {
			t.Errorf("%s: Load returns %d and error %v, want %v", what, n, err, ErrSnapshot)
		}
	}
	for i := range snapshot {
		check(fmt.Sprint("cut at ", i), snapshot[:i])
		for bit := range 8 {
			damaged := bytes.Clone(snapshot)
			damaged[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d", bit, i), damaged)
		}
	}
	check("more follows", append(bytes.Clone(snapshot), 0))
	check("twice", append(bytes.Clone(snapshot), snapshot...))
	other := bytes.Clone(snapshot)
	other[len(magic)-1] = 2
	_, err := b.Load(t.Context(), bytes.NewReader(other))
	if want := "cachewire: memory: invalid snapshot: its version is 2; want 1"; err.Error() != want {
		t.Errorf("another version: error is %q, want %q", err, want)
	}
}

// withSum returns a snapshot with these records and a right checksum.
func withSum(records string) []byte {
	s := []byte(magic + records)
	return binary.BigEndian.AppendUint32(s, crc32.Checksum(s, castagnoli))
}

func TestLoadRefusesWhatSaveNeverWrites(t *testing.T) {
	const date = "\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, records := range map[string]string{
		"wrong number":         "\x01k" + date + "\x00\x01v\x00\x02",
		"key too long":         "\x80\x80\x80\x80\x10k",
		"flags too large":      "\x01k" + date + "\xff\xff\xff\xff\x1f\x01v\x00\x01",
		"negative date":        "\x01k\xff" + date[1:] + "\x00\x01v\x00\x01",
		"number overflows":     "\x01k" + date + "\x00" + strings.Repeat("\xff", 10) + "\x01",
		"value of 2^63-1":      "\x01k" + date + "\x00" + strings.Repeat("\xff", 8) + "\x7f",
		"number wraps around":  "\x00" + strings.Repeat("\x80", 9) + "\x02",
		"number without end":   strings.Repeat("\x80", 100),
		"no number of records": "",
	} {
		b := must(New(nil))
		_, err := b.Load(t.Context(), bytes.NewReader(withSum(records)))
		if !errors.Is(err, ErrSnapshot) || b.Counts().Inserts != 0 {
			t.Errorf("%s: error is %v, want %v", name, err, ErrSnapshot)
		}
	}
	if _, err := must(New(nil)).Load(t.Context(), bytes.NewReader(withSum("\x00\x00"))); err != nil {
		t.Errorf("a snapshot without items: error is %v", err)
	}
}

// A value that says that it is long takes only the memory that it has, and with MaxBytes no more
// than that.
func TestLoadTakesMemoryOnlyForWhatItReads(t *testing.T) {
	header := "\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00" // then the length of the value
	claim := binary.AppendUvarint([]byte(header), 1<<30)
	for name, c := range map[string]struct {
		opts   Options
		values int64 // bytes that follow
	}{
		"a claim":      {Options{}, 1000},
		"a long value": {Options{MaxBytes: 1 << 20}, 200 << 20},
	} {
		b := must(New(&c.opts))
		r := io.MultiReader(strings.NewReader(magic), bytes.NewReader(claim),
			io.LimitReader(zeros{}, c.values))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := b.Load(t.Context(), r); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: error is %v, want %v", name, err, ErrSnapshot)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: Load has allocated %d bytes", name, used)
		}
	}
}

// zeros is a reader without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A failingWriter fails after so many bytes.
type failingWriter int

var errWrite = errors.New("disk full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if *w -= failingWriter(len(p)); *w < 0 {
		return 0, errWrite
	}
	return len(p), nil
}

func TestSaveAndLoadReturnErrorsOfOthers(t *testing.T) {
	b := must(New(nil))
	for i := range 2000 {
		set(t, b, key(i), make([]byte, 100), 0)
	}
	snapshot := save(t, b)
	for _, size := range []int{0, len(snapshot) / 2, len(snapshot) - 5, len(snapshot) - 1} {
		w := failingWriter(size)
		if n, err := b.Save(t.Context(), &w); !errors.Is(err, errWrite) || n != 0 {
			t.Errorf("Save, writer for %d bytes: %d and error %v, want %v", size, n, err, errWrite)
		}
		got := must(New(nil))
		r := io.MultiReader(bytes.NewReader(snapshot[:size]), iotest.ErrReader(errWrite))
		n, err := got.Load(t.Context(), r)
		if !errors.Is(err, errWrite) || errors.Is(err, ErrSnapshot) || n != 0 ||
			got.Counts().Inserts != 0 {
			t.Errorf("Load, reader of %d bytes: %d and error %v, want %v", size, n, err, errWrite)
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Save(done, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("Save with a done context: error is %v", err)
	}
	got := must(New(nil))
	if _, err := got.Load(done, bytes.NewReader(snapshot)); !errors.Is(err, context.Canceled) {
		t.Errorf("Load with a done context: error is %v", err)
	}
	// The context ends in the middle of a value without end.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r := io.MultiReader(strings.NewReader(magic+"\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		bytes.NewReader(binary.AppendUvarint(nil, math.MaxInt)), zeros{})
	bounded := must(New(&Options{MaxBytes: 1 << 20}))
	if _, err := bounded.Load(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load without end: error is %v", err)
	}
	n, err := got.Load(t.Context(), iotest.OneByteReader(bytes.NewReader(snapshot)))
	if n != 2000 || err != nil {
		t.Errorf("Load byte by byte: %d and error %v", n, err)
	}
}

func TestSaveIsConsistentForEachKeyWhileVerbsRun(t *testing.T) {
	const n = 300
	b := must(New(nil))
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	write := func(i, round int) {
		value := fmt.Appendf(nil, "%d %[1]d", round)
		item := core.Item{Key: key(i), Value: value, Flags: uint32(round), TTL: time.Hour}
		if err := b.Store(context.Background(), core.Set, item); err != nil {
			t.Error(err)
		}
	}
	for i := range n {
		write(i, 0)
	}
	for range 2 {
		workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				write(i%n, i)
				set(t, b, "x"+key(i%5000), []byte("1"), time.Millisecond)
				b.Incr(ctx, "x"+key(i%5000), 1)
			}
		})
	}
	for range 20 {
		got, _ := load(t, nil, save(t, b))
		for i := range n {
			item, err := got.GetItem(t.Context(), key(i))
			first, second, _ := strings.Cut(string(item.Value), " ")
			if err != nil || first != second || first != fmt.Sprint(item.Flags) {
				t.Fatalf("%q = %q with flags %d and error %v", key(i), item.Value, item.Flags, err)
			}
		}
	}
}

// FuzzLoad gives records with a right checksum to Load. Either it refuses them and stores
// nothing, or Save writes what Load has stored.
func FuzzLoad(f *testing.F) {
	b := must(New(nil))
	for i := range 3 {
		set(f, b, key(i), fmt.Append(nil, i), core.Forever-1)
	}
	whole := save(f, b)
	f.Add(whole[len(magic):len(whole)-4], false)
	f.Add([]byte("\x00\x00"), true)
	f.Add([]byte("\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x05\x01v\x00\x01"), true)
	f.Add([]byte("\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x05\xff\xff\xff\xff\x0fv\x00\x01"), true)
	f.Fuzz(func(t *testing.T, records []byte, bounded bool) {
		opts := Options{}
		if bounded {
			opts = Options{MaxItems: 3, MaxBytes: 1000}
		}
		b := must(New(&opts))
		n, err := b.Load(t.Context(), bytes.NewReader(withSum(string(records))))
		if err != nil {
			if !errors.Is(err, ErrSnapshot) || n != 0 || b.Counts().Inserts != 0 {
				t.Fatalf("Load returns %d and error %v; %+v", n, err, b.Counts())
			}
			return
		}
		audit(t, b)
		again, m := load(t, &opts, save(t, b))
		if n != m {
			t.Fatalf("Load has stored %d items, and after Save %d", n, m)
		}
		for item := range b.All(t.Context(), "") {
			copied, err := again.GetItem(t.Context(), item.Key)
			if err != nil || !bytes.Equal(copied.Value, item.Value) || copied.Flags != item.Flags {
				t.Fatalf("%+v, and after Save %+v and error %v", item, copied, err)
			}
		}
	})
}
