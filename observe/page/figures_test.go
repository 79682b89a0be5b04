package page

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
)

func TestQuantilesAreAtMostAQuarterTooHigh(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	vf := new(verbFigures)
	var all []time.Duration
	for range 10000 {
		d := time.Duration(1) << random.IntN(36)
		d += time.Duration(random.Int64N(int64(d)))
		vf.add(d, observe.Hit)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.9999} {
		got, want := vf.sample().quantile(q), all[int(q*float64(len(all)))]
		if got < want || float64(got) > 1.25*float64(want) {
			t.Errorf("quantile %v is %v, want %v or at most a quarter more", q, got, want)
		}
	}
	if got := new(sample).quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
	vf.add(-1, observe.Failed)
	vf.add(1<<62, observe.Hit) // has a bucket as well
	if calls, failed := vf.sample().calls(); calls != 10002 || failed != 1 {
		t.Errorf("%d calls and %d failed, want 10002 and 1", calls, failed)
	}
}

func TestFrequentKeysAreFoundAmongManyOthers(t *testing.T) {
	k := newKeyFigures(3)
	frequent := map[string]uint64{"a": 3000, "b": 2000, "c": 1000}
	var all []string
	for key, n := range frequent {
		for range n {
			all = append(all, key)
		}
	}
	for i := range 10000 {
		all = append(all, fmt.Sprint("rare", i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, key := range all {
		k.add(&core.Op{Key: key})
	}
	counts, _ := k.top()
	for i, want := range []string{"a", "b", "c"} {
		c := counts[i]
		if c.Key != want || c.Count < frequent[want] || c.AtLeast() > frequent[want] {
			t.Errorf("frequent key %d is %+v, want %s with %d", i, c, want, frequent[want])
		}
	}
	if len(k.byKey) != 30 || len(k.least) != 30 {
		t.Errorf("%d and %d keys are kept, want 30", len(k.byKey), len(k.least))
	}
	k.add(&core.Op{Keys: []string{"a", "a", "b"}})
	if again, _ := k.top(); again[0].Count != counts[0].Count+2 {
		t.Errorf("keys of a multi verb are not counted: %+v", again)
	}
}

// A key is also counted after others have taken its place and it has come back.
func TestCountsOfKeysAreBetweenTheirBounds(t *testing.T) {
	k := newKeyFigures(2)
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.2, 1, 1000)
	counts := map[string]uint64{}
	for range 20000 {
		key := fmt.Sprint(zipf.Uint64())
		counts[key]++
		k.add(&core.Op{Key: key})
		if c := k.byKey[key]; c.AtLeast() > counts[key] || c.Count < counts[key] {
			t.Fatalf("%+v was counted %d times", c, counts[key])
		}
	}
	if k.least[0].Over == 0 {
		t.Error("no key has taken the place of another")
	}
}

func TestSlowKeysAreTheSlowestOfTheLastMinutes(t *testing.T) {
	k := newKeyFigures(3)
	add := func(key string, took time.Duration) {
		k.add(&core.Op{Key: key, Verb: "Get", Duration: took})
	}
	want := func(want ...string) {
		t.Helper()
		var got []string
		_, slow := k.top()
		for _, s := range slow {
			got = append(got, fmt.Sprint(s.Key, " ", s.Took))
		}
		if !slices.Equal(got, want) {
			t.Errorf("slow keys are %v, want %v", got, want)
		}
	}
	add("a", 5)
	add("b", 7)
	add("a", 9)
	add("a", 6) // not slower than before
	want("a 9ns", "b 7ns")
	add("c", 8)
	add("d", 1) // no room
	add("e", 20)
	want("e 20ns", "a 9ns", "c 8ns")
	for i := range k.slow {
		k.slow[i].At = k.slow[i].At.Add(-slowFor)
	}
	want()
	add("f", 1)
	want("f 1ns")
	long := make([]byte, 70000)
	add(string(long), 30)
	if _, slow := k.top(); len(slow[0].Key) != maxShownKey {
		t.Errorf("a key of %d bytes is kept", len(slow[0].Key))
	}
}

func TestFiguresHaveAFewDigits(t *testing.T) {
	for want, got := range map[string]string{
		"0 ns":   durationText(0),
		"999 ns": durationText(999),
		"1.5 µs": durationText(1500),
		"15 ms":  durationText(15 * time.Millisecond),
		"61 s":   durationText(61 * time.Second),
		"999 B":  bytesText(999),
		"1.0 kB": bytesText(1000),
		"12 MB":  bytesText(12_300_000),
		"18 EB":  bytesText(1<<64 - 1),
		"0":      rateText(0, time.Second),
		"0.50":   rateText(1, 2*time.Second),
		"1234":   rateText(1234, time.Second),
		"56k":    rateText(56_000, time.Second),
		"5 s":    sinceText(5 * time.Second),
		"1h0m0s": sinceText(time.Hour),
	} {
		if got != want {
			t.Errorf("text is %q, want %q", got, want)
		}
	}
}
