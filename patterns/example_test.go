package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

type User struct{ Name string }

// loadUser stands for a query of a database.
func loadUser(ctx context.Context, id int) (User, error) {
	fmt.Println("loading user", id)
	if id > 10 {
		return User{}, patterns.ErrNotFound
	}
	return User{Name: fmt.Sprint("user ", id)}, nil
}

func open() *core.Cache {
	cache, err := core.Open(context.Background(), "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	return cache
}

func ExampleCached_GetOrCreate() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	for range 3 {
		u, err := cached.GetOrCreate(ctx, "user:1", func(ctx context.Context) (User, error) {
			return loadUser(ctx, 1) // called once for all callers in all processes
		})
		fmt.Println(u.Name, err)
	}
	// Output:
	// loading user 1
	// user 1 <nil>
	// user 1 <nil>
	// user 1 <nil>
}

// Items with the same tag are dropped together.
func ExampleCached_GetOrSet() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	tags, err := dependency.NewTags(cache, nil)
	if err != nil {
		log.Fatal(err)
	}
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{TTL: time.Minute, Tags: tags})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	user := func() {
		u, err := cached.GetOrSet(ctx, "user:1", func(ctx context.Context) (User, error) {
			return loadUser(ctx, 1)
		}, "users", "tenant:7")
		fmt.Println(u.Name, err)
	}
	user()
	user()
	if err := tags.Invalidate(ctx, "tenant:7"); err != nil {
		log.Fatal(err)
	}
	user()
	// Output:
	// loading user 1
	// user 1 <nil>
	// user 1 <nil>
	// loading user 1
	// user 1 <nil>
}

// One process makes a new report, even if an old one is stored.
func ExampleCached_OnePassCreate() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	texts, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(texts, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	for i := range 2 {
		report, err := cached.OnePassCreate(ctx, "report", func(context.Context) (string, error) {
			return fmt.Sprint("report ", i), nil
		})
		fmt.Println(report, err)
	}
	// Output:
	// report 0 <nil>
	// report 1 <nil>
}

func ExampleGetOrSetMulti() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	texts, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(texts, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	key := func(id int) string { return fmt.Sprint("name:", id) }
	load := func(_ context.Context, ids []int) (map[int]string, error) {
		fmt.Println("loading", ids)
		names := map[int]string{}
		for _, id := range ids {
			names[id] = strings.Repeat("x", id)
		}
		return names, nil
	}
	for _, ids := range [][]int{{1, 2}, {1, 2, 3}} {
		names, err := patterns.GetOrSetMulti(ctx, cached, ids, key, load)
		fmt.Println(names, err)
	}
	// Output:
	// loading [1 2]
	// map[1:x 2:xx] <nil>
	// loading [3]
	// map[1:x 2:xx 3:xxx] <nil>
}

// The cache remembers for a minute that a user does not exist.
func ExampleErrNotFound() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{
		TTL:         time.Hour,
		NegativeTTL: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	for range 2 {
		_, err := cached.GetOrCreate(ctx, "user:11", func(ctx context.Context) (User, error) {
			return loadUser(ctx, 11)
		})
		fmt.Println(errors.Is(err, patterns.ErrNotFound), errors.Is(err, core.ErrMiss))
	}
	// Output:
	// loading user 11
	// true false
	// true false
}

// A value is served while it is loaded again in the background, and for another day if it
// cannot be loaded.
func ExampleOptions() {
	cache := open()
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{
		TTL:      time.Hour,
		SoftTTL:  time.Minute,
		Early:    1,
		FailSafe: 24 * time.Hour,
		OnError:  func(ctx context.Context, err error) { log.Print(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	ctx := context.Background()
	u, err := cached.GetOrCreate(ctx, "user:1", func(ctx context.Context) (User, error) {
		return loadUser(ctx, 1)
	})
	fmt.Println(u.Name, err)
	// Output:
	// loading user 1
	// user 1 <nil>
}

// A token lives as long as it says, and is dropped with the tenant that it names.
func ExampleOptions_valueDecides() {
	type token struct {
		Tenant string
		Life   time.Duration
	}
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	tags, err := dependency.NewTags(cache, nil)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := core.NewTyped(cache, encoding.JSON[token]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(tokens, &patterns.Options[token]{
		TTLOf:   func(_ string, t token) time.Duration { return t.Life },
		Tags:    tags,
		NamesOf: func(_ string, t token) []string { return []string{"tenant:" + t.Tenant} },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	get := func() {
		t, err := cached.GetOrSet(ctx, "token", func(context.Context) (token, error) {
			fmt.Println("loading")
			return token{Tenant: "7", Life: time.Hour}, nil
		})
		fmt.Println(t.Tenant, err)
	}
	get()
	if err := tags.Invalidate(ctx, "tenant:7"); err != nil {
		log.Fatal(err)
	}
	get()
	// Output:
	// loading
	// 7 <nil>
	// loading
	// 7 <nil>
}

// One call loads the value whatever is stored.
func ExampleCached_With() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	load := func(ctx context.Context) (User, error) { return loadUser(ctx, 1) }
	reload := cached.With(patterns.Call{Reload: true})
	for _, c := range []*patterns.Cached[User]{cached, cached, reload} {
		u, err := c.GetOrSet(ctx, "user:1", load)
		fmt.Println(u.Name, err)
	}
	// Output:
	// loading user 1
	// user 1 <nil>
	// user 1 <nil>
	// loading user 1
	// user 1 <nil>
}

func ExampleMemoize1() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(users, &patterns.Options[User]{TTL: time.Minute, KeyPrefix: "repo"})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	user, err := patterns.Memoize1(cached, "user", loadUser) // has the signature of loadUser
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []int{1, 2, 1} {
		u, err := user(ctx, id)
		fmt.Println(u.Name, err)
	}
	stored, err := cache.Exists(ctx, "repo-user:1")
	fmt.Println(stored, err)
	// Output:
	// loading user 1
	// user 1 <nil>
	// loading user 2
	// user 2 <nil>
	// user 1 <nil>
	// true <nil>
}

func ExampleMemoizeMulti() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	texts, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(texts, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	load := func(_ context.Context, ids []int) (map[int]string, error) {
		fmt.Println("loading", ids)
		return map[int]string{1: "Ann", 2: "Bob"}, nil
	}
	names, err := patterns.MemoizeMulti(cached, "name", load)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		all, err := names(ctx, []int{1, 2})
		fmt.Println(all, err)
	}
	// Output:
	// loading [1 2]
	// map[1:Ann 2:Bob] <nil>
	// map[1:Ann 2:Bob] <nil>
}

func ExampleKeyBuilder() {
	repo := patterns.KeyBuilder("repo")
	fmt.Println(repo.Format("list_items", 2))
	fmt.Println(repo.Key("list_items", "en", 1))
	// Output:
	// repo-list_items:%r:%r
	// repo-list_items:'en':1 <nil>
}

// One of many callers cleans up, and the others wait until it is done.
func ExampleOnePass() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	pass, err := patterns.NewOnePass(cache, nil)
	if err != nil {
		log.Fatal(err)
	}

	lease, err := pass.Try(ctx, "op:cleanup")
	switch {
	case err == nil:
		fmt.Println("clean up")
		err = lease.Release(ctx)
	case errors.Is(err, patterns.ErrHeld):
		err = pass.Wait(ctx, "op:cleanup")
	}
	fmt.Println(err)
	// Output:
	// clean up
	// <nil>
}

// A lock whose lease is renewed as long as the work takes.
func ExampleOnePass_Acquire() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	lock, err := patterns.NewOnePass(cache, &patterns.OnePassOptions{
		LockTTL: 5 * time.Second,
		Renew:   true,
		Prefix:  "lock:",
	})
	if err != nil {
		log.Fatal(err)
	}

	lease, err := lock.Acquire(ctx, "import")
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release(ctx)
	select {
	case <-lease.Lost():
		fmt.Println("stop, another process may hold the lock")
	default:
		fmt.Println("import")
	}
	// Output: import
}

func ExampleOptimistic() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	tags, err := core.NewTyped(cache, encoding.JSON[[]string]())
	if err != nil {
		log.Fatal(err)
	}

	for _, tag := range []string{"red", "blue"} {
		add := func(all []string, found bool) ([]string, error) {
			return append(all, tag), nil
		}
		all, err := patterns.Optimistic(ctx, tags, "tags", time.Hour, add)
		fmt.Println(all, err)
	}
	// Output:
	// [red] <nil>
	// [red blue] <nil>
}
