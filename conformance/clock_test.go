package conformance

import (
	"testing"
	"testing/synctest"
	"time"
)

// In the bubble, a clock that nobody keeps going is what one in a process that
// stands still would be.
func TestAClockDoesNotCountAStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{last: time.Now()}
		elapsed := c.start()
		time.Sleep(time.Hour)
		if took := elapsed(); took > 2*beat {
			t.Errorf("after a standstill of an hour %v were counted", took)
		}

		done := make(chan struct{})
		defer close(done)
		go c.run(done)
		elapsed = c.start()
		time.Sleep(time.Second)
		if took := elapsed(); took != time.Second {
			t.Errorf("%v of a second were counted", took)
		}

		elapsed = (*clock)(nil).start()
		time.Sleep(time.Hour)
		if took := elapsed(); took != time.Hour {
			t.Errorf("without a clock %v of an hour were counted", took)
		}
	})
}
