package lockout

import (
	"context"
	"time"
)

// AllowAt is Allow on a machine whose clock has the time now. Only one goroutine may call it.
func (l *Lockout[C]) AllowAt(ctx context.Context, c C, now time.Time) error {
	usual := l.engine.clock
	defer func() { l.engine.clock = usual }()
	stopped := &clock{start: time.Now()}
	stopped.atZero.Store(now.UnixNano())
	stopped.tick.Store(now.UnixNano())
	l.engine.clock = stopped
	return l.Allow(ctx, c)
}
