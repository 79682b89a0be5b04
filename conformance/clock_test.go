package conformance

import (
	"testing"
	"testing/synctest"
	"time"
)

// In the bubble, a clock whose run is not called behaves as if the process were stopped.
func TestClockIgnoresTimeWhileTheProcessIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{last: time.Now()}
		elapsed := c.start()
		time.Sleep(time.Hour)
		if took := elapsed(); took > 2*tick {
			t.Errorf("elapsed after the process was stopped for an hour: %v, want at most %v",
				took, 2*tick)
		}

		done := make(chan struct{})
		defer close(done)
		go c.run(done)
		elapsed = c.start()
		time.Sleep(time.Second)
		if took := elapsed(); took != time.Second {
			t.Errorf("elapsed after a second: %v, want a second", took)
		}

		elapsed = (*clock)(nil).start()
		time.Sleep(time.Hour)
		if took := elapsed(); took != time.Hour {
			t.Errorf("elapsed on a nil clock after an hour: %v, want an hour", took)
		}
	})
}
