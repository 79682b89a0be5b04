package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// Who fails three times within a minute is locked out for a quarter of an hour.
func Example() {
	ctx := context.Background()
	cache, err := core.New(memory.New(nil), nil)
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
		ok, err := signIn.Guard(ctx, r, func(context.Context) (bool, error) { return r.Password == "secret", nil })
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
