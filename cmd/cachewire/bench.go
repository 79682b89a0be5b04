package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/cachewire/cachewire/core"
)

func newBench(t *tool) *command {
	c := newCommand("bench", "[URL] [URL]", "measure how fast a cache is, beside a second one",
		"cachewire bench memcache://localhost redis://localhost -mix get=9,set=1 -duration 10s")
	c.about = `Two caches are measured in turns, in rounds of a second or less, so that a busy
machine slows down both of them. Their ratio says more than the figures. The keys have the prefix
"cachewire bench:" and are deleted at the end; other items are not touched. Times include
that of a reading of the clock.`
	var f benchFlags
	c.flags.StringVar(&f.mix, "mix", "get=9,set=1", "the `verbs` with their shares: get, set, "+
		"add, delete, incr and touch")
	c.flags.StringVar(&f.dist, "dist", "zipf", "the `distribution` of the keys: zipf or uniform")
	c.flags.IntVar(&f.keys, "keys", 10000, "the `number` of keys")
	c.flags.StringVar(&f.size, "size", "100", "the `bytes` of a value, or a range like 10-1000")
	c.flags.IntVar(&f.goroutines, "goroutines", 8, "the `number` of goroutines")
	c.flags.DurationVar(&f.duration, "duration", 5*time.Second, "how long each cache is measured")
	c.flags.Uint64Var(&f.seed, "seed", 1, "the `seed` of the keys, verbs and sizes")
	c.run = func(ctx context.Context, args []string) error {
		load, err := f.load()
		if err != nil {
			return err
		}
		if len(args) > 2 {
			return wrongUse("%d arguments; want one or two URLs", len(args))
		}
		places, err := c.places(t, args)
		if err != nil {
			return err
		}
		var benches []*bench
		for _, p := range places {
			cache, err := p.open(ctx)
			if err != nil {
				return err
			}
			defer cache.Close()
			b, err := newRun(cache, p, load)
			if err != nil {
				return err
			}
			benches = append(benches, b)
		}
		return t.bench(ctx, benches, f, c.json)
	}
	return c
}

// benchFlags are the flags of bench.
type benchFlags struct {
	mix, dist, size  string
	keys, goroutines int
	duration         time.Duration
	seed             uint64
}

// A load is what bench does to a cache.
type load struct {
	verbs            []string // by their shares: one of them is drawn
	zipf             bool
	minSize, maxSize int
	keys, goroutines int
	seed             uint64
}

var benchVerbs = []string{"get", "set", "add", "delete", "incr", "touch"}

func (f *benchFlags) load() (load, error) {
	l := load{zipf: f.dist == "zipf", keys: f.keys, goroutines: f.goroutines, seed: f.seed}
	for part := range strings.SplitSeq(f.mix, ",") {
		verb, share, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(share)
		if err != nil || n < 1 || n > 1000 || !slices.Contains(benchVerbs, verb) {
			return l, wrongUse("-mix has %q; want a verb and its share, 1 to 1000, like get=9; "+
				"the verbs are %s", part, strings.Join(benchVerbs, ", "))
		}
		for range n {
			l.verbs = append(l.verbs, verb)
		}
	}
	low, high, isRange := strings.Cut(f.size, "-")
	if !isRange {
		high = low
	}
	var err1, err2 error
	l.minSize, err1 = strconv.Atoi(low)
	l.maxSize, err2 = strconv.Atoi(high)
	switch {
	case f.dist != "zipf" && f.dist != "uniform":
		return l, wrongUse("-dist is %q; want zipf or uniform", f.dist)
	case err1 != nil || err2 != nil || l.minSize < 0 || l.maxSize < l.minSize ||
		l.maxSize > 1<<29:

		return l, wrongUse("-size is %q; want bytes, like 100 or 10-1000", f.size)
	case f.keys < 1 || f.keys > math.MaxInt32:
		return l, wrongUse("-keys is %d; want 1 or more", f.keys)
	case f.goroutines < 1:
		return l, wrongUse("-goroutines is %d; want 1 or more", f.goroutines)
	case f.duration <= 0:
		return l, wrongUse("-duration is %v; want more than 0", f.duration)
	}
	return l, nil
}

// A bench measures one cache.
type bench struct {
	load
	place *place
	cache *core.Cache // with a prefix of its own
	names []string    // the keys

	total                *hdrhistogram.Histogram // of all verbs
	byVerb               map[string]*hdrhistogram.Histogram
	rates                []float64 // verbs a second, in each round
	hits, misses, failed int
	firstErr             error
}

const benchPrefix = "cachewire bench:"

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Nanoseconds(), 3)
}

func newRun(cache *core.Cache, p *place, l load) (*bench, error) {
	own, err := cache.WithPrefix(benchPrefix)
	if err != nil {
		return nil, err
	}
	b := &bench{
		load: l, place: p, cache: own,
		total: newHistogram(), byVerb: map[string]*hdrhistogram.Histogram{},
	}
	for i := range l.keys {
		b.names = append(b.names, strconv.Itoa(i))
	}
	return b, nil
}

// counted reports whether the keys hold counters: some verb of the mix counts.
func (l load) counted() bool { return slices.Contains(l.verbs, "incr") }

// value returns a value of a random size. If there are counters, it is one.
func (l load) value(random *rand.Rand, bytes []byte) []byte {
	if l.counted() {
		return []byte("1")
	}
	return bytes[:l.minSize+random.IntN(l.maxSize-l.minSize+1)]
}

// fill stores all keys, for an hour at most.
func (b *bench) fill(ctx context.Context) error {
	random := rand.New(rand.NewPCG(b.seed, 0))
	bytes := make([]byte, b.maxSize)
	for part := range slices.Chunk(b.names, 500) {
		values := map[string][]byte{}
		for _, key := range part {
			values[key] = b.value(random, bytes)
		}
		if err := b.cache.SetMulti(ctx, values, time.Hour); err != nil {
			return err
		}
	}
	return nil
}

// clear deletes the keys.
func (b *bench) clear(ctx context.Context) error {
	var err error
	for part := range slices.Chunk(b.names, 500) {
		err = errors.Join(err, b.cache.DeleteMulti(ctx, part))
	}
	return err
}

// round calls verbs for a duration.
func (b *bench) round(ctx context.Context, number int, duration time.Duration) {
	var mu sync.Mutex // guards b, which each worker changes when it ends
	var workers sync.WaitGroup
	start := time.Now()
	n := 0
	for i := range b.goroutines {
		workers.Go(func() {
			w := newWorker(b, rand.New(rand.NewPCG(b.seed, uint64(number*b.goroutines+i+1))))
			w.work(ctx, start.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			n += b.add(w)
		})
	}
	workers.Wait()
	b.rates = append(b.rates, float64(n)/time.Since(start).Seconds())
}

// add adds what w measured, and returns how many verbs it called.
func (b *bench) add(w *worker) int {
	n := 0
	for verb, h := range w.byVerb {
		if b.byVerb[verb] == nil {
			b.byVerb[verb] = newHistogram()
		}
		b.byVerb[verb].Merge(h)
		b.total.Merge(h)
		n += int(h.TotalCount())
	}
	b.hits += w.hits
	b.misses += w.misses
	b.failed += w.failed
	if b.firstErr == nil {
		b.firstErr = w.firstErr
	}
	return n
}

// A worker is one goroutine of a round.
type worker struct {
	*bench
	random *rand.Rand
	keys   func() uint64 // draws a key
	bytes  []byte

	byVerb               map[string]*hdrhistogram.Histogram
	hits, misses, failed int
	firstErr             error
}

func newWorker(b *bench, random *rand.Rand) *worker {
	w := &worker{
		bench: b, random: random, bytes: make([]byte, b.maxSize),
		byVerb: map[string]*hdrhistogram.Histogram{},
	}
	w.keys = func() uint64 { return uint64(random.IntN(b.load.keys)) }
	if b.zipf {
		w.keys = rand.NewZipf(random, 1.01, 1, uint64(b.load.keys-1)).Uint64
	}
	for _, verb := range b.verbs {
		if w.byVerb[verb] == nil {
			w.byVerb[verb] = newHistogram()
		}
	}
	return w
}

func (w *worker) work(ctx context.Context, end time.Time) {
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
		verb := w.verbs[w.random.IntN(len(w.verbs))]
		key := w.names[w.keys()]
		value := w.value(w.random, w.bytes)
		start := time.Now()
		err := w.call(ctx, verb, key, value)
		now = time.Now()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.hits++
		case err == core.ErrMiss || errors.Is(err, core.ErrExists):
			w.misses++
		default:
			w.failed++
			if w.firstErr == nil {
				w.firstErr = err
			}
			continue
		}
		took := min(max(now.Sub(start).Nanoseconds(), 1), time.Minute.Nanoseconds())
		w.byVerb[verb].RecordValue(took) // which is in its range
	}
}

func (w *worker) call(ctx context.Context, verb, key string, value []byte) (err error) {
	switch verb {
	case "get":
		_, err = w.cache.Get(ctx, key)
	case "set":
		err = w.cache.Set(ctx, key, value, time.Hour)
	case "add":
		err = w.cache.Add(ctx, key, value, time.Hour)
	case "delete":
		err = w.cache.Delete(ctx, key)
	case "incr":
		_, err = w.cache.Incr(ctx, key, 1)
	case "touch":
		err = w.cache.Touch(ctx, key, time.Hour)
	}
	return err
}

// bench measures the caches in turns, and prints the figures.
func (t *tool) bench(
	ctx context.Context, benches []*bench, f benchFlags, asJSON bool,
) (err error) {
	defer func() {
		t.endProgress()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		for _, b := range benches {
			err = errors.Join(err, b.clear(ctx))
		}
	}()
	for _, b := range benches {
		if err := b.fill(ctx); err != nil {
			return err
		}
	}
	rounds := max(int((f.duration+time.Second-1)/time.Second), 5)
	for round := range rounds {
		for i := range benches {
			t.progress("round %d of %d", round+1, rounds)
			// Each goes first in every other round.
			benches[(i+round)%len(benches)].round(ctx, round, f.duration/time.Duration(rounds))
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	t.endProgress()
	if err := t.printBench(benches, asJSON); err != nil {
		return err
	}
	var failures error
	for _, b := range benches {
		if b.failed > 0 {
			failures = errors.Join(failures, fmt.Errorf("%s: %d verbs failed, the first "+
				"one with %w", b.place, b.failed, b.firstErr))
		}
	}
	return failures
}
