package core_test

import (
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestAsFindsTheBackendItself(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	for _, c := range []*core.Cache{c, withPrefix(t, c, "p:")} {
		var got *backend
		if !c.As(&got) || got != b {
			t.Errorf("As found %p, want %p", got, b)
		}
	}
}

func TestAsFindsABackendThatIsNotAPointer(t *testing.T) {
	b := withPinger{newBackend(), newFullBackend()}
	var got withPinger
	if !open(t, b, nil).As(&got) || got != b {
		t.Errorf("As found %v, want %v", got, b)
	}
}

func TestAsFindsAnInterfaceOfTheBackend(t *testing.T) {
	f := newFullBackend()
	var p core.Pinger
	if !open(t, f, nil).As(&p) || p != core.Pinger(f) {
		t.Errorf("As found %v, want the backend", p)
	}
	var none core.Pinger
	if open(t, newBackend(), nil).As(&none) || none != nil {
		t.Errorf("As found %v in a backend that is not a Pinger", none)
	}
}

func TestAsFindsTheObjectOfAnUnwrapper(t *testing.T) {
	f := newFullBackend()
	f.inner = &client{"inner"}
	for name, b := range map[string]core.Backend{"full": f, "alone": withUnwrapper{f.backend, f}} {
		t.Run(name, func(t *testing.T) {
			var got *client
			if !open(t, b, nil).As(&got) || got != f.inner {
				t.Errorf("As found %v, want %v", got, f.inner)
			}
		})
	}
}

func TestAsLeavesTheTargetIfNothingFits(t *testing.T) {
	for name, b := range map[string]core.Backend{
		"plain":     newBackend(),
		"unwrapper": newFullBackend(),
	} {
		t.Run(name, func(t *testing.T) {
			before := &client{"before"}
			got := before
			if open(t, b, nil).As(&got) || got != before {
				t.Errorf("As found %v, want false and the target unchanged", got)
			}
		})
	}
}

func TestAsReturnsFalseForAnInvalidTarget(t *testing.T) {
	for name, b := range map[string]core.Backend{
		"plain":     newBackend(),
		"unwrapper": newFullBackend(),
	} {
		c := open(t, b, nil)
		for what, target := range map[string]any{
			"nil":                     nil,
			"int":                     7,
			"struct":                  client{},
			"nil pointer to pointer":  (**backend)(nil),
			"nil pointer to client":   (**client)(nil),
			"nil pointer to an int":   (*int)(nil),
			"nil pointer to any":      (*any)(nil),
			"channel":                 make(chan int),
			"pointer to another type": new(int),
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				if c.As(target) {
					t.Error("As = true, want false")
				}
			})
		}
	}
}
