package cbor_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/cbor"
)

// A node can contain itself.
type node struct {
	Name string
	Next *node
}

// chain returns a chain of n nodes.
func chain(n int) (first *node) {
	for range n {
		first = &node{"a", first}
	}
	return first
}

// A Nest embeds itself.
type Nest struct {
	*Nest
	Name string
}

func TestATypeThatEmbedsItselfIsRefused(t *testing.T) {
	codec := cbor.Codec[Nest]()
	err := codec.(core.CodecChecker).Check(core.Traits{})
	if _, _, again := codec.Append(nil, Nest{}); !errors.Is(err, core.ErrConfig) ||
		!errors.Is(again, core.ErrConfig) {
		t.Errorf("Check: %v, Append: %v; want ErrConfig", err, again)
	}
}

// If the codec does not refuse a value that contains itself, the encoder recurses until the stack
// overflows, which ends the test program.
func TestAValueIsStoredAsDeepAsItCanBeRead(t *testing.T) {
	const deepest = 10_000
	codec := cbor.Codec[*node]()
	circle := chain(1)
	circle.Next = circle
	for name, first := range map[string]*node{"a circle": circle, "a chain": chain(deepest + 1)} {
		data, _, err := codec.Append([]byte("dst"), first)
		if err == nil || string(data) != "dst" || !strings.Contains(err.Error(), "10000 deep") {
			t.Errorf("Append of %s = %.40q, %v; want dst and an error", name, data, err)
		}
	}
	data, flags, err := codec.Append(nil, chain(deepest))
	if err != nil {
		t.Fatalf("Append of %d levels: %v", deepest, err)
	}
	got, err := codec.Decode(data, flags)
	depth := 0
	for ; got != nil; got = got.Next {
		depth++
	}
	if err != nil || depth != deepest {
		t.Errorf("Decode returns %d levels of %d, %v", depth, deepest, err)
	}
}
