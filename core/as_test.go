package core_test

import (
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestAsFindsTheBackendItself(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	for _, c := range []*core.Cache{c, view(t, c, "p:")} {
		var got *backend
		if !c.As(&got) || got != b {
			t.Errorf("As finds %p, want %p", got, b)
		}
	}
}

func TestAsFindsABackendThatIsNoPointer(t *testing.T) {
	b := withPinger{newBackend(), newFull()}
	var got withPinger
	if !open(t, b, nil).As(&got) || got != b {
		t.Errorf("As finds %v, want %v", got, b)
	}
}

func TestAsFindsWhatTheBackendImplements(t *testing.T) {
	f := newFull()
	var p core.Pinger
	if !open(t, f, nil).As(&p) || p != core.Pinger(f) {
		t.Errorf("As finds %v, want the backend", p)
	}
	var none core.Pinger
	if open(t, newBackend(), nil).As(&none) || none != nil {
		t.Errorf("As finds %v in a backend without it", none)
	}
}

func TestAsFindsWhatAnUnwrapperGivesOut(t *testing.T) {
	f := newFull()
	f.inner = &client{"inner"}
	for name, b := range map[string]core.Backend{"full": f, "alone": withUnwrapper{f.backend, f}} {
		t.Run(name, func(t *testing.T) {
			var got *client
			if !open(t, b, nil).As(&got) || got != f.inner {
				t.Errorf("As finds %v, want %v", got, f.inner)
			}
		})
	}
}

func TestAsLeavesTheTargetWhereNothingFits(t *testing.T) {
	for name, b := range map[string]core.Backend{"plain": newBackend(), "unwrapper": newFull()} {
		t.Run(name, func(t *testing.T) {
			was := &client{"was"}
			got := was
			if open(t, b, nil).As(&got) || got != was {
				t.Errorf("As finds %v", got)
			}
		})
	}
}

func TestAsOfWhatIsNoTargetIsFalse(t *testing.T) {
	for name, b := range map[string]core.Backend{"plain": newBackend(), "unwrapper": newFull()} {
		c := open(t, b, nil)
		for what, target := range map[string]any{
			"nil":                     nil,
			"no pointer":              7,
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
					t.Error("As answers true")
				}
			})
		}
	}
}
