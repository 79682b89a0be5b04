package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// A checkedCodec is a CodecChecker whose Check returns err.
type checkedCodec struct {
	stringCodec
	err    error
	traits *core.Traits // set by Check
}

func (c checkedCodec) Check(traits core.Traits) error {
	*c.traits = traits
	return c.err
}

func TestNewTypedChecksTheCodec(t *testing.T) {
	b := newFullBackend()
	b.traits.NoFlags = true
	raw := open(t, b, nil)
	for _, c := range []*core.Cache{raw, withPrefix(t, raw, "prefix:")} {
		var traits core.Traits
		typed, err := core.NewTyped(c, checkedCodec{traits: &traits})
		wantErr(t, err, nil)
		wantErr(t, typed.Set(t.Context(), "k", "v", 0), nil)
		if traits != c.Traits() || !traits.NoFlags {
			t.Errorf("Check was called with %+v, want %+v", traits, c.Traits())
		}
		noFlags := fmt.Errorf("%w: needs flags", errors.ErrUnsupported)
		wantRefused(t, c, checkedCodec{err: noFlags, traits: &traits}, "needs flags")
		wrongArgument := fmt.Errorf("%w: MaxSize is -1", core.ErrConfig)
		_, err = core.NewTyped(c, checkedCodec{err: wrongArgument, traits: &traits})
		wantErrText(t, err, "cachewire: invalid configuration: MaxSize is -1")
	}
}
