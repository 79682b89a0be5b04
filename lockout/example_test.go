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

// Two requests a minute are allowed under each key.
func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=1000000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	rate := lockout.Rate{Count: 2, Period: time.Minute, Algorithm: lockout.TokenBucket}
	limiter, err := lockout.NewLimiter(cache, "api", rate, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"ann", "ann", "ann", "bob"} {
		err := limiter.Allow(ctx, key)
		fmt.Println(key, err == nil, errors.Is(err, lockout.ErrLocked))
	}
	// Output:
	// ann true false
	// ann true false
	// ann false true
	// bob true false
}

// An account is locked for 15 minutes after three failures within ten.
func ExampleLockout_Guard() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=1000000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type Attempt struct{ Account, Password string }
	signIn, err := lockout.New(cache, "sign_in", []lockout.Rule[Attempt]{{
		Name: "by_account",
		Key:  func(a Attempt) string { return a.Account },
		Rate: lockout.Rate{Count: 3, Period: 10 * time.Minute, Algorithm: lockout.TokenBucket},
		Lock: 15 * time.Minute,
	}}, &lockout.Options[Attempt]{FailClosed: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, password := range []string{"guess", "secret", "guess", "guess", "guess", "secret"} {
		ok, err := signIn.Guard(ctx, Attempt{"ann", password}, func(context.Context) (bool, error) {
			return password == "secret", nil
		})
		fmt.Println(ok, errors.Is(err, lockout.ErrLocked))
	}
	// Output:
	// false false
	// true false
	// false false
	// false false
	// false false
	// false true
}

// Failures are counted after they have happened. Others may pass between Check and Add.
func ExampleLockout_Add() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=1000000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	rate := lockout.Rate{Count: 2, Period: time.Hour, Algorithm: lockout.TokenBucket}
	uploads, err := lockout.NewLimiter(cache, "broken_uploads", rate, nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if err := uploads.Check(ctx, "ann"); err != nil {
			fmt.Println("refused")
			continue
		}
		fmt.Println("broken:", uploads.Add(ctx, "ann", 1))
	}
	// Output:
	// broken: <nil>
	// broken: <nil>
	// refused
}

// Each address may send two requests a minute.
func ExampleLockout_Handler() {
	cache, err := core.Open(context.Background(), "memory://?max_items=1000000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	rate := lockout.Rate{Count: 2, Period: time.Minute, Algorithm: lockout.TokenBucket}
	limiter, err := lockout.NewLimiter(cache, "api", rate, nil)
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	})
	var from lockout.Address // there is no proxy in front of this server
	handler, err := limiter.Handler(from.Of, hello, nil)
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
	// 200 "api";r=1;t=30
	// 200 "api";r=0;t=30
	// 429 "api";r=0;t=30
}
