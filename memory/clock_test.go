package memory

import (
	"testing"
	"testing/synctest"
	"time"
)

// While the coarse time is in use, it is never ahead, and at most a tick behind, and an item
// expires when it should. The ticks stop when it is not in use, and with Close.
func TestClockTicksOnlyWhileInUseAndUntilClose(t *testing.T) {
	if clockTrust < 10*int64(clockTick) {
		t.Errorf("clockTrust is %v, want at least 10 ticks", time.Duration(clockTrust))
	}
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		for round := range 2 {
			if b.coarse.Load() != 0 {
				t.Error("the clock ticks before it is used")
			}
			const ttl = 2*time.Second + time.Millisecond
			set(t, b, "k", nil, ttl)
			end := time.Now().Add(ttl)
			for ; time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
				if !has(b, "k") {
					t.Fatalf("round %d: the item is gone %v before it expires",
						round, time.Until(end))
				}
				coarse := b.coarse.Load()
				behind := b.now() - coarse
				if coarse != 0 && (behind < 0 || behind > int64(clockTick)) ||
					coarse == 0 && time.Until(end) < 1900*time.Millisecond {
					t.Fatalf("round %d: the coarse time is %v behind", round, time.Duration(behind))
				}
			}
			if has(b, "k") {
				t.Errorf("round %d: the item is present after it expired", round)
			}
			time.Sleep(time.Second)
		}
		set(t, b, "k", nil, time.Hour)
		time.Sleep(2 * clockTick / 3)
		has(b, "k")
		time.Sleep(clockTick)
		if b.coarse.Load() == 0 {
			t.Error("the clock does not tick while it is in use")
		}
		b.Close()
		set(t, b, "k", nil, time.Hour)
		has(b, "k")
		time.Sleep(clockTick)
		if has(b, "k"); b.coarse.Load() != 0 {
			t.Error("the clock ticks after Close")
		}
	})
}
