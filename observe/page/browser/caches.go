package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	"github.com/cachewire/cachewire/observe/page"
)

// A down is a backend whose server cannot be reached.
type down struct{ core.Backend }

var errDown = fmt.Errorf("%w: connection refused", core.ErrUnavailable)

func (down) Stats(context.Context) (core.Stats, error)          { return core.Stats{}, errDown }
func (down) GetItem(context.Context, string) (core.Item, error) { return core.Item{}, errDown }
func (down) Store(context.Context, core.Mode, core.Item) error  { return errDown }
func (down) Close() error                                       { return nil }

// openCaches opens three caches that are on p. One of them cannot be reached.
func openCaches(ctx context.Context, p *page.Page) ([]*core.Cache, error) {
	var caches []*core.Cache
	for _, open := range []func() (*core.Cache, error){
		func() (*core.Cache, error) {
			return core.Open(ctx, "memory://?max_items=10000&default_ttl=1h",
				&core.Options{Name: "users", Hooks: []core.Hook{p}})
		},
		func() (*core.Cache, error) {
			return core.Open(ctx, "memory://?max_bytes=1000000",
				&core.Options{Name: "pages", Hooks: []core.Hook{p}})
		},
		func() (*core.Cache, error) {
			return core.New(down{}, &core.Options{Name: "reports", Hooks: []core.Hook{p}})
		},
	} {
		c, err := open()
		if err != nil {
			return nil, err
		}
		if err := p.Add(c); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		caches = append(caches, c)
	}
	return caches, nil
}

// use calls verbs of the caches, as a program would. Errors are on the page.
func use(ctx context.Context, p *page.Page, caches []*core.Cache) {
	users, pages, reports := caches[0], caches[1], caches[2]
	_ = pages.Set(ctx, "page:home", make([]byte, 2000), time.Hour)
	for i := range 3000 {
		key := fmt.Sprint("user:", i%97*(i%3))
		if _, err := users.Get(ctx, key); errors.Is(err, core.ErrMiss) {
			_ = users.Set(ctx, key, []byte(`{"name": "Ann"}`), 0)
			p.Served("users", "loaded", 1)
			p.Loaded("users", 1, 12*time.Millisecond, nil)
		} else {
			p.Served("users", "hit", 1)
		}
		if i%10 == 0 {
			_, _ = pages.GetMulti(ctx, []string{"page:home", fmt.Sprint("page:", i%700)})
			_ = pages.Set(ctx, fmt.Sprint("page:", i%500), make([]byte, 2000), time.Minute)
		}
		if i%100 == 0 {
			_, _ = reports.Get(ctx, "report:7")
		}
	}
}
