package conformance

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var contextMutants = []mutation{
	{"GetItem under a done context returns a miss", "context-backend", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			if ctx.Err() != nil {
				return core.Item{}, core.ErrMiss
			}
			return m.reference.GetItem(ctx, key)
		}
	}},
	{"a write under a done context does nothing", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"an abandoned write reads the caller's bytes later", "context-bytes", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				// These are the bytes that it would read, without the data race.
				item.Value = []byte("XXXX")
				time.AfterFunc(time.Millisecond, func() {
					m.reference.Store(context.Background(), mode, item)
				})
				return context.DeadlineExceeded
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"DeleteMulti under a done context does nothing", "context-backend", func(m *mutant) {
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.DeleteMulti(ctx, keys)
		}
	}},
	{"CompareAndSwap under a done context conflicts", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil && mode == core.CompareAndSwap {
				return core.ErrConflict
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write returns another error at its deadline", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				return errors.New("i/o timeout")
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write does not end at its deadline", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				time.Sleep(time.Second)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"the reply to one Get is returned for the next", "context-cancel", func(m *mutant) {
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
	{"Close returns an error", "core-close", func(m *mutant) {
		m.close = func() error { return errors.New("cannot close") }
	}},
	{"verbs that run during Close panic", "close-busy", func(m *mutant) {
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
