package memory

import (
	"testing"
	"testing/synctest"
	"time"
)

// The coarse time is never ahead, and behind by no more than a tick, while somebody looks;
// an item ends when it should. It rests when nobody looks, and ends with Close.
func TestTheClockTicksRestsAndEnds(t *testing.T) {
	if clockTrust < 10*int64(clockTick) {
		t.Error("the clock is trusted with less than a few ticks")
	}
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		for round := range 2 {
			if b.coarse.Load() != 0 {
				t.Error("it ticks before somebody looks")
			}
			set(t, b, "k", nil, 2*time.Second+time.Millisecond)
			for end := time.Now().Add(2*time.Second + time.Millisecond); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
				if !has(b, "k") {
					t.Fatalf("round %d: gone %v before its time", round, time.Until(end))
				}
				coarse := b.coarse.Load()
				if behind := b.now() - coarse; coarse != 0 && (behind < 0 || behind > int64(clockTick)) || coarse == 0 && time.Until(end) < 1900*time.Millisecond {
					t.Fatalf("round %d: the coarse time is %v behind", round, time.Duration(behind))
				}
			}
			if has(b, "k") {
				t.Errorf("round %d: there after its time", round)
			}
			time.Sleep(time.Second)
		}
		set(t, b, "k", nil, time.Hour)
		time.Sleep(2 * clockTick / 3)
		has(b, "k")
		time.Sleep(clockTick)
		if b.coarse.Load() == 0 {
			t.Error("it does not tick")
		}
		b.Close()
		set(t, b, "k", nil, time.Hour)
		has(b, "k")
		time.Sleep(clockTick)
		if has(b, "k"); b.coarse.Load() != 0 {
			t.Error("it ticks after Close")
		}
	})
}
