package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A declining backend declines the interfaces in declined.
type declining struct {
	*fullBackend
	declined []any
}

func (d declining) Declines(ability any) bool {
	for _, a := range d.declined {
		if a == ability {
			return true
		}
	}
	return false
}

func TestWhatABackendDeclinesIsAsIfItWereNotThere(t *testing.T) {
	full := newFullBackend()
	b := declining{full, []any{(*core.TTLReader)(nil), (*core.MultiGetter)(nil)}}
	if _, ok := core.Ability[core.TTLReader](b); ok {
		t.Error("Ability returned an interface that the backend declines")
	}
	if r, ok := core.Ability[core.StatsReader](b); !ok || r == nil {
		t.Error("Ability did not return an interface that the backend does not decline")
	}
	if _, ok := core.Ability[core.TTLReader](full.backend); ok {
		t.Error("Ability returned an interface that the backend does not implement")
	}
	if r, ok := core.Ability[core.TTLReader](full); !ok || r == nil {
		t.Error("Ability did not return an interface of a backend that is not a Decliner")
	}
	c := open(t, b, nil)
	if err := c.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TTL(t.Context(), "k"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("TTL: error is %v, want ErrUnsupported", err)
	}
	got, err := c.GetMulti(t.Context(), []string{"k"}) // by GetItem
	if string(got["k"]) != "v" || err != nil {
		t.Errorf("GetMulti: %q, %v", got, err)
	}
}
