package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	_ "github.com/cachewire/cachewire/memory"
)

// An account is locked for 15 minutes after three failures within a minute.
func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type Request struct{ Account, Password string }
	locker, err := lockout.New(cache, lockout.Terms[Request]{
		"by_account": {
			Key:      func(r Request) string { return "by_account:" + r.Account },
			Period:   time.Minute,
			Duration: 15 * time.Minute,
		},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	signIn, err := locker.Define("sign in", lockout.Terms[Request]{"by_account": {Count: 3}})
	if err != nil {
		log.Fatal(err)
	}

	handle := func(r Request) string {
		if err := signIn.Forbid(ctx, r); errors.Is(err, lockout.ErrLocked) {
			return "try again later"
		}
		ok, err := signIn.Guard(ctx, r, func(context.Context) (bool, error) {
			return r.Password == "secret", nil
		})
		return fmt.Sprint(ok, err)
	}
	for _, password := range []string{"guess", "secret", "guess", "guess", "guess", "secret"} {
		fmt.Println(handle(Request{"ann", password}))
	}
	// Output:
	// false <nil>
	// true <nil>
	// false <nil>
	// false <nil>
	// false <nil>
	// try again later
}

// Each address may send two requests a minute.
func ExampleHandler() {
	cache, err := core.Open(context.Background(), "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	var from lockout.Address // there is no proxy in front of this server
	terms := lockout.Terms[*http.Request]{"by_ip": {
		Key:   func(r *http.Request) string { return "by_ip:" + from.Of(r) },
		Count: 2, Period: time.Minute, Algorithm: lockout.TokenBucket,
	}}
	locker, err := lockout.New(cache, terms, nil)
	if err != nil {
		log.Fatal(err)
	}
	api, err := locker.Define("api", terms)
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	})
	subject := func(r *http.Request) *http.Request { return r }
	handler, err := lockout.Handler(api, subject, hello, nil)
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	for range 3 {
		reply, err := http.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		reply.Body.Close()
		fmt.Println(reply.StatusCode, reply.Header.Get("RateLimit"))
	}
	// Output:
	// 200 "by_ip";r=1;t=30
	// 200 "by_ip";r=0;t=30
	// 429 "by_ip";r=0;t=30
}
