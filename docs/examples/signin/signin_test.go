package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/examples/signin"
	"github.com/cachewire/cachewire/lockout"
	_ "github.com/cachewire/cachewire/memory"
)

func check(_ context.Context, account, password string) (bool, error) {
	return password == "secret of "+account, nil
}

func newPage(t *testing.T) *signin.Page {
	cache, err := core.Open(context.Background(), "memory://", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	page, err := signin.New(cache, lockout.Address{}, check)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// post makes one attempt and returns the status of the reply.
func post(page http.Handler, account, password, from string) int {
	form := url.Values{"account": {account}, "password": {password}}
	r := httptest.NewRequest("POST", "/sign-in", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from + ":1234"
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w.Code
}

func TestGuessingLocksOutTheGuesserAndNotTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := newPage(t)
		want := func(code int, account, password, from string) {
			t.Helper()
			if got := post(page, account, password, from); got != code {
				t.Errorf("%s from %s: status %d, want %d", account, from, got, code)
			}
		}
		for range 20 { // a right password does not count
			want(200, "ann", "secret of ann", "192.0.2.1")
		}
		for range 5 {
			want(401, "Ann ", "guess", "192.0.2.9")
		}
		want(429, "ann", "secret of ann", "192.0.2.9")
		want(200, "ann", "secret of ann", "192.0.2.1")
		time.Sleep(15 * time.Minute)
		want(200, "ann", "secret of ann", "192.0.2.9")

		// One address guesses the passwords of many accounts.
		for i := range 30 {
			want(401, fmt.Sprint("user", i), "12345678", "192.0.2.66")
			if i == 15 {
				want(200, "eve", "secret of eve", "192.0.2.66")
			}
		}
		want(429, "eve", "secret of eve", "192.0.2.66")
		time.Sleep(time.Hour)
		want(200, "eve", "secret of eve", "192.0.2.66")
	})
}
