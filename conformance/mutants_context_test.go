package conformance

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var contextMutants = []planted{
	{"a done context is told as a miss", "context-backend", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			if ctx.Err() != nil {
				return core.Item{}, core.ErrMiss
			}
			return m.reference.GetItem(ctx, key)
		}
	}},
	{"a write under a done context is dropped in silence", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write that is cut off reads the caller's bytes later", "context-bytes", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				// What it would find there, without the race that it would be.
				item.Value = []byte("XXXX")
				time.AfterFunc(time.Millisecond, func() { m.reference.Store(context.Background(), mode, item) })
				return context.DeadlineExceeded
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"StoreMulti and DeleteMulti under a done context do nothing, in silence", "context-backend", func(m *mutant) {
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.DeleteMulti(ctx, keys)
		}
	}},
	{"a compare-and-swap under a done context is told as a conflict", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil && mode == core.CompareAndSwap {
				return core.ErrConflict
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a deadline is told as some other error", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				return errors.New("i/o timeout")
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write goes on though its deadline has passed", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				time.Sleep(time.Second)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"the reply to one Get answers the next", "context-cancel", func(m *mutant) {
		var mu sync.Mutex
		var late bool
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			mu.Lock()
			stale := late
			late = strings.HasSuffix(key, "absent")
			mu.Unlock()
			if stale {
				return core.Item{}, core.ErrMiss
			}
			return m.reference.GetItem(ctx, key)
		}
	}},
	{"Close is an error", "core-close", func(m *mutant) {
		m.close = func() error { return errors.New("cannot close") }
	}},
	{"verbs that Close overtakes panic", "close-busy", func(m *mutant) {
		closed := make(chan struct{})
		m.close = func() error { close(closed); return nil }
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if item.Key == "k0" {
				return m.reference.Store(ctx, mode, item)
			}
			<-closed
			panic("send on closed connection")
		}
	}},
}
