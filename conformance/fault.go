package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// inject calls Stall or Kill of the suite, and returns a function that undoes the fault. If
// the case does not call it, it is called when the case ends.
func (e *env) inject(f fault) (undo func()) {
	call := e.stall
	if f == kills {
		call = e.kill
	}
	undone, err := call(e.backend)
	if err != nil {
		e.fatalf("the fault could not be injected: %v", err)
	}
	var once atomic.Bool
	undo = func() {
		if !once.Swap(true) && undone != nil {
			undone()
		}
	}
	e.cleanups = append(e.cleanups, undo)
	return undo
}

// faultVerbs are the verbs of cases with faults: all verbs that take a key, some verbs with
// many keys, and the verbs of a whole cache.
var faultVerbs = slices.Concat(verbs, []verb{
	{"GetMulti of 100 keys", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		keys := manyKeys(key)
		got, err := c.GetMulti(ctx, keys)
		for _, key := range keys {
			if _, ok := got[key]; !ok && keyError(err, key) == nil {
				return errKeyLeftOut
			}
		}
		return firstError(err, keys)
	}},
	{"SetMulti of 100 keys", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		keys := manyKeys(key)
		values := map[string][]byte{}
		for _, key := range keys {
			values[key] = []byte("2")
		}
		return firstError(c.SetMulti(ctx, values, 0), keys)
	}},
	{"DeleteMulti of 100 keys", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		keys := manyKeys(key)
		return firstError(c.DeleteMulti(ctx, keys), keys)
	}},
	{"TTL", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.TTL(ctx, key)
		return err
	}},
	{
		"Flush",
		func(ctx context.Context, c *core.Cache, _ string, _ any) error { return c.Flush(ctx) },
	},
	{
		"Ping",
		func(ctx context.Context, c *core.Cache, _ string, _ any) error { return c.Ping(ctx) },
	},
	{"Stats", func(ctx context.Context, c *core.Cache, _ string, _ any) error {
		_, err := c.Stats(ctx)
		return err
	}},
})

// manyKeys returns 100 keys. The first one is key.
func manyKeys(key string) []string {
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = numbered(key+" ", i)
	}
	keys[0] = key
	return keys
}

// firstError returns the error in err of the first of keys that has one. If some keys have
// an error and others do not, it returns an error as well.
func firstError(err error, keys []string) error {
	var multi *core.MultiError
	if !errors.As(err, &multi) {
		return err
	}
	for _, key := range keys {
		if multi.Errors[key] == nil {
			return fmt.Errorf("the key %s has no error, although others have", quote(key))
		}
	}
	for _, key := range keys {
		if errors.Is(multi.Errors[key], core.ErrMiss) ||
			errors.Is(multi.Errors[key], core.ErrExists) {
			return multi.Errors[key]
		}
	}
	return multi.Errors[keys[0]]
}

// prepareFaultVerbs stores an item for each of faultVerbs, and returns their keys and
// tokens.
func (e *env) prepareFaultVerbs() (keys []string, tokens []any) {
	for _, v := range faultVerbs {
		key := "key of " + v.name
		e.set(key, "1")
		keys, tokens = append(keys, key), append(tokens, e.item(key).Token)
		if strings.Contains(v.name, "100") {
			for _, key := range manyKeys(key) {
				e.set(key, "1")
			}
		}
	}
	return keys, tokens
}

// unsupported reports whether the backend does not have the verb.
func unsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// isOutage reports whether err is a correct error of a verb with ctx if no server replies.
func isOutage(ctx context.Context, err error) bool {
	return errors.Is(err, core.ErrUnavailable) || ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// recovered checks that the verbs work again, within a second.
func (e *env) recovered(after string) {
	elapsed := e.clock.start()
	var last error
	for round := 0; ; round++ {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		last = e.tryVerbs(ctx, numbered("recovered ", round))
		cancel()
		took := elapsed()
		if last == nil {
			e.note("verbs worked %v after %s", took.Round(time.Millisecond), after)
		}
		if last == nil && took <= time.Second {
			return
		}
		if took > time.Second {
			e.errorf("%v after %s, verbs still fail or take too long; want them to work within "+
				"a second; the last error is %v", took, after, last)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tryVerbs calls some verbs with its own keys, and returns an error if one of them fails.
func (e *env) tryVerbs(ctx context.Context, key string) error {
	if err := e.cache.Set(ctx, key, []byte("1"), 0); err != nil {
		return err
	}
	if n, err := e.cache.Incr(ctx, key, 1); err != nil || n != 2 {
		return fmt.Errorf("result of Incr is %d, error %w", n, err)
	}
	got, err := e.cache.GetMulti(ctx, []string{key})
	if err != nil || string(got[key]) != "2" {
		return fmt.Errorf("result of GetMulti is %s, error %w", quote(string(got[key])), err)
	}
	return e.cache.Delete(ctx, key)
}

// closesInTime checks that Close returns within a bounded time.
func (e *env) closesInTime(while string) {
	const limit = 10 * time.Second
	elapsed := e.clock.start()
	closed := make(chan error, 1)
	go func() { closed <- e.closeAll() }()
	timeout := time.NewTimer(2 * limit)
	defer timeout.Stop()
	var err error
	select {
	case err = <-closed:
	case <-timeout.C:
		e.errorf("Close %s does not return", while)
		e.cleanUp()
		<-closed
		return
	}
	if took := elapsed(); took > limit {
		e.errorf("Close %s took %v, want less than %v", while, took, limit)
	} else {
		e.note("Close %s took %v", while, took.Round(time.Millisecond))
	}
	if err != nil && !errors.Is(err, core.ErrUnavailable) {
		e.errorf("Close %s: error is %v, want none or %v", while, err, core.ErrUnavailable)
	}
}
