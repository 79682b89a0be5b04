package tiered

import (
	"context"
	"errors"
	"iter"

	"github.com/cachewire/cachewire/core"
)

// Get returns the value that GetItem returns.
func (b *Backend) Get(ctx context.Context, key string) ([]byte, error) {
	if c := b.copyOf(ctx, key); c != nil {
		return c.item.Value, b.missOf(c)
	}
	item, err := b.fetch(ctx, key)
	return item.Value, err
}

// GetItem returns the copy of the item under key, with the token of far, or reads far.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if c := b.copyOf(ctx, key); c != nil {
		return c.item, b.missOf(c)
	}
	return b.fetch(ctx, key)
}

// copyOf returns the copy of the item under key, or nil if there is none.
func (b *Backend) copyOf(ctx context.Context, key string) *copied {
	value, _, err := b.near.GetShared(ctx, key)
	if err != nil {
		return nil // whatever it is, far knows
	}
	c, ok := value.(*copied)
	if !ok || !c.ready.Load() {
		return nil
	}
	return c
}

// missOf returns ErrMiss if c says that the key is absent, and counts it.
func (b *Backend) missOf(c *copied) error {
	if !c.absent {
		return nil
	}
	b.negative.Add(1)
	return core.ErrMiss
}

// fetch reads the item under key from far, or waits for a read that is in progress.
func (b *Backend) fetch(ctx context.Context, key string) (core.Item, error) {
	if b.bypassed(key) {
		item, err := b.far.GetItem(ctx, key)
		b.count(err)
		return item, err
	}
	for {
		f, join := b.begin(key)
		if !join {
			return b.read(ctx, key, f)
		}
		if item, err, ok := f.wait(ctx); ok {
			b.count(err)
			return item, err
		}
	}
}

// errPanicked is the error of reads that wait for one that has panicked.
var errPanicked = errors.New("tiered: the far backend panicked")

// read reads the item under key from far, for f.
func (b *Backend) read(ctx context.Context, key string, f *flight) (core.Item, error) {
	f.err = errPanicked
	defer b.end(key, f)
	if b.itemTTL != nil {
		f.item, f.err = b.itemTTL.GetItemTTL(ctx, key)
	} else {
		f.item, f.err = b.far.GetItem(ctx, key)
		f.item.TTL = 0
	}
	f.canceled = f.err != nil && ctx.Err() != nil
	b.count(f.err)
	return f.item, f.err
}

// wait returns the result of f. Ok is false if there is none, because the context of the
// goroutine that read was done.
func (f *flight) wait(ctx context.Context) (item core.Item, err error, ok bool) {
	select {
	case <-f.done:
		return f.item, f.err, !f.canceled
	case <-ctx.Done():
		return core.Item{}, ctx.Err(), true
	}
}

// count counts a read of far.
func (b *Backend) count(err error) {
	switch err {
	case nil:
		b.farHits.Add(1)
	case core.ErrMiss:
		b.misses.Add(1)
	}
}

// GetItems returns copies, and reads the other items from far, all at once.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	if b.getter == nil {
		return nil, errors.ErrUnsupported
	}
	items := make([]core.Item, 0, len(keys))
	var failed core.MultiError
	add := func(key string, item core.Item, err error) {
		item.Key = key
		if err == nil {
			items = append(items, item)
		} else if err != core.ErrMiss {
			failed.Add(key, err)
		}
	}
	r := multiRead{backend: b, own: map[string]*flight{}, joined: map[string]*flight{}}
	for _, key := range keys {
		if c := b.copyOf(ctx, key); c != nil {
			add(key, c.item, b.missOf(c))
		} else {
			r.begin(key)
		}
	}
	r.read(ctx, add)
	for key, f := range r.joined {
		item, err, ok := f.wait(ctx)
		if ok {
			b.count(err)
		} else {
			item, err = b.fetch(ctx, key)
		}
		add(key, item, err)
	}
	return items, failed.Err()
}

// A multiRead is a read of many keys from far.
type multiRead struct {
	backend *Backend
	keys    []string           // what it reads
	own     map[string]*flight // of keys, except those without copies
	joined  map[string]*flight // of other keys, which another goroutine reads
}

func (r *multiRead) begin(key string) {
	if r.backend.bypassed(key) {
		r.keys = append(r.keys, key)
		return
	}
	f, join := r.backend.begin(key)
	if join {
		r.joined[key] = f
		return
	}
	f.err = errPanicked
	r.keys, r.own[key] = append(r.keys, key), f
}

// read reads the keys and calls add for each.
func (r *multiRead) read(ctx context.Context, add func(string, core.Item, error)) {
	if len(r.keys) == 0 {
		return
	}
	b := r.backend
	defer func() {
		for key, f := range r.own {
			b.end(key, f)
		}
	}()
	get := b.getter.GetItems
	if b.itemTTL != nil {
		get = b.itemTTL.GetItemsTTL
	}
	got, err := get(ctx, r.keys)
	found := make(map[string]core.Item, len(got))
	for _, item := range got {
		if b.itemTTL == nil {
			item.TTL = 0
		}
		found[item.Key] = item
	}
	for _, key := range r.keys {
		item, ok := found[key]
		var keyErr error
		if !ok {
			keyErr = errorOf(err, key, core.ErrMiss)
		}
		b.count(keyErr)
		add(key, item, keyErr)
		if f := r.own[key]; f != nil {
			f.item, f.err, f.canceled = item, keyErr, keyErr != nil && ctx.Err() != nil
		}
	}
}

// errorOf returns what err, the error of a multi verb, says about key, or otherwise if it says
// nothing.
func errorOf(err error, key string, otherwise error) error {
	if err == nil {
		return otherwise
	}
	multi, ok := err.(*core.MultiError)
	if !ok {
		return err
	}
	if multi != nil && multi.Errors[key] != nil {
		return multi.Errors[key]
	}
	return otherwise
}

// Keys yields the keys of far.
func (b *Backend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	if b.lister == nil {
		return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
	}
	return b.lister.Keys(ctx, prefix)
}
