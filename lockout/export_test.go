package lockout

import (
	"context"
	"time"
)

// AllowAt is Allow on a machine whose clock says now. Only one goroutine may call it.
func (l *Lockout[C]) AllowAt(ctx context.Context, c C, now time.Time) error {
	usual := l.engine.clock
	defer func() { l.engine.clock = usual }()
	l.engine.clock = &clock{start: time.Now().Add(-2)}
	l.engine.clock.atZero.Store(now.UnixNano() - 2)
	l.engine.clock.known.Store(1)
	return l.Allow(ctx, c)
}
