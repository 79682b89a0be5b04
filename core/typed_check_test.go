package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// A checked codec is refused for the reason that it holds.
type checked struct {
	words
	refusal error
	traits  *core.Traits // what Check was called with
}

func (c checked) Check(traits core.Traits) error {
	*c.traits = traits
	return c.refusal
}

func TestNewTypedChecksTheCodec(t *testing.T) {
	b := newFull()
	b.traits.NoFlags = true
	raw := open(t, b, nil)
	for _, c := range []*core.Cache{raw, view(t, raw, "prefix:")} {
		var traits core.Traits
		typed, err := core.NewTyped(c, checked{traits: &traits})
		wantErr(t, err, nil)
		wantErr(t, typed.Set(t.Context(), "k", "v", 0), nil)
		if traits != c.Traits() || !traits.NoFlags {
			t.Errorf("Check was called with %+v, want %+v", traits, c.Traits())
		}
		wantRefused(t, c, checked{refusal: fmt.Errorf("%w: needs flags", errors.ErrUnsupported), traits: &traits}, "needs flags")
		_, err = core.NewTyped(c, checked{refusal: fmt.Errorf("%w: MaxSize is -1", core.ErrConfig), traits: &traits})
		if want := "cachewire: invalid configuration: MaxSize is -1"; err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
