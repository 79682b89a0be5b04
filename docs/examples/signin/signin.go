// Package signin is a sign-in page that locks abusers out. The page docs/guide.md walks
// through it.
package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
)

// An Attempt is an attempt to sign in.
type Attempt struct{ Account, Address string }

// A Page is the http.Handler of the sign-in form's POST.
type Page struct {
	// Check reports whether the password is the right one for the account.
	Check func(ctx context.Context, account, password string) (bool, error)

	signIn *lockout.Lockout[Attempt]
	from   lockout.Address
}

// New returns a Page whose Check is check, and which keeps its counters in cache. It uses from
// to find the address of a client.
func New(
	cache *core.Cache,
	from lockout.Address,
	check func(ctx context.Context, account, password string) (bool, error),
) (*Page, error) {
	signIn, err := lockout.New(cache, "sign_in", []lockout.Rule[Attempt]{
		// Guesses of one account's password. The lock is on account and address together,
		// so that an attacker cannot lock out the owner of the account.
		{Name: "by_account_address",
			Key:  func(a Attempt) string { return a.Account + " " + a.Address },
			Rate: lockout.Rate{Count: 5, Period: 10 * time.Minute},
			Lock: 15 * time.Minute, MaxLock: 24 * time.Hour},
		// One password that is tried on many accounts. A success resets nothing, because it
		// may be on the attacker's own account.
		{Name: "by_address", Key: func(a Attempt) string { return a.Address },
			Rate: lockout.Rate{Count: 30, Period: 10 * time.Minute}, Lock: time.Hour, Keep: true},
	}, &lockout.Options[Attempt]{Alert: alert, OnError: report})
	if err != nil {
		return nil, err
	}
	return &Page{Check: check, signIn: signIn, from: from}, nil
}

func alert(ctx context.Context, a Attempt, e lockout.Event) {
	slog.WarnContext(ctx, "locked out",
		"account", a.Account, "address", a.Address, "by", e.Rule, "until", e.Until)
}

func report(ctx context.Context, err error) { slog.ErrorContext(ctx, "lockout", "err", err) }

// ServeHTTP signs in with the form values account and password. It replies 429 if the
// attempt is locked out.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	attempt := Attempt{
		Account: strings.ToLower(strings.TrimSpace(r.PostFormValue("account"))),
		Address: p.from.Of(r),
	}
	// Guard counts the attempt before it calls the function, so that only five of a thousand
	// guesses at once are tried. If the password is right, the attempt does not count.
	ok, err := p.signIn.Guard(r.Context(), attempt, func(ctx context.Context) (bool, error) {
		return p.Check(ctx, attempt.Account, r.PostFormValue("password"))
	})
	switch {
	case errors.Is(err, lockout.ErrLocked):
		// The reply does not say until when, because that would only help attackers.
		http.Error(w, "Too many attempts. Try again later.", http.StatusTooManyRequests)
	case err != nil:
		slog.ErrorContext(r.Context(), "sign in", "err", err)
		http.Error(w, "Something is wrong on our side.", http.StatusInternalServerError)
	case !ok:
		http.Error(w, "Wrong account or password.", http.StatusUnauthorized)
	default:
		w.Write([]byte("Welcome, " + attempt.Account + "."))
	}
}
