package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// stall makes every verb of b except Close wait until its context is done.
func stall(b *backend) {
	b.before = func(ctx context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestTimeoutEndsEveryVerbThatStalls(t *testing.T) {
	eachVerb(t, nil, func(t *testing.T, v verb) {
		synctest.Test(t, func(t *testing.T) {
			f := newFullBackend()
			c := open(t, f, &core.Options{Timeout: 3 * time.Second})
			stall(f.backend)
			began := time.Now()
			err := v.call(t.Context(), c, "k", 0)
			wantErr(t, v.keyError("k", err), context.DeadlineExceeded)
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("the verb took %v, want 3s", took)
			}
		})
	})
}

// The time-out applies to the verb, and not to each key.
func TestTimeoutEndsAFallbackForAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		c := open(t, b, &core.Options{Timeout: 3 * time.Second})
		stall(b)
		keys, _ := manyKeys(100)
		began := time.Now()
		_, err := c.GetMulti(t.Context(), keys)
		failed := failedKeys(t, err)
		for _, key := range keys {
			wantErr(t, failed[key], context.DeadlineExceeded)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("GetMulti took %v, want 3s", took)
		}
	})
}

func TestEarlierOfTimeoutAndCallersDeadlineEndsTheVerb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		c := open(t, b, &core.Options{Timeout: 3 * time.Second})
		stall(b)
		for deadline, want := range map[time.Duration]time.Duration{
			time.Second: time.Second,
			time.Minute: 3 * time.Second,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			began := time.Now()
			_, err := c.Get(ctx, "k")
			wantErr(t, err, context.DeadlineExceeded)
			if took := time.Since(began); took != want {
				t.Errorf("Get took %v, want %v", took, want)
			}
			cancel()
		}
	})
}

func TestCallersCancellationEndsAVerbBeforeItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		c := open(t, b, &core.Options{Timeout: time.Hour})
		stall(b)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.Get(ctx, "k")
		wantErr(t, err, context.Canceled)
	})
}

func TestWithoutTimeoutThereIsNoDeadline(t *testing.T) {
	b := newBackend()
	var deadline bool
	b.before = func(ctx context.Context, _, _ string) error {
		_, deadline = ctx.Deadline()
		return nil
	}
	put(t, open(t, b, nil), "k", "v")
	if deadline {
		t.Error("the backend was called with a deadline, want none")
	}
}

// If the context were not canceled when the verb ends, its timer would stay until the
// time-out.
func TestContextOfATimeoutIsCanceledWhenTheVerbEnds(t *testing.T) {
	eachVerb(t, nil, func(t *testing.T, v verb) {
		f := newFullBackend()
		var used context.Context
		f.before = func(ctx context.Context, verb, _ string) error {
			if verb != "Close" {
				used = ctx
			}
			return nil
		}
		c := open(t, f, &core.Options{Timeout: time.Hour})
		_ = v.call(t.Context(), c, "k", 0)
		if used == nil || used.Err() == nil {
			t.Error("the context is not canceled after the verb")
		}
	})
}
