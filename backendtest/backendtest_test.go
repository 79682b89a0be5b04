package backendtest_test

import (
	"fmt"
	"testing"

	"github.com/cachewire/cachewire/backendtest"
)

func TestEveryKindOpensACacheOfItsOwn(t *testing.T) {
	first, second := backendtest.AllCaches(t), backendtest.AllCaches(t)
	if len(first) != 5 {
		t.Errorf("%d kinds, want 5", len(first))
	}
	for name, c := range first {
		if err := c.Set(t.Context(), "key", []byte(name), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if there, err := second[name].Exists(t.Context(), "key"); there || err != nil {
			t.Errorf("%s: another cache has the key (%v)", name, err)
		}
		if byValue := name == backendtest.ByValue.Name; c.Traits().ByValue != byValue {
			t.Errorf("%s: ByValue is %v", name, !byValue)
		}
	}
}

// A test runs on each kind of backend.
func ExampleCaches() {
	_ = func(t *testing.T) {
		for name, cache := range backendtest.Caches(t) {
			t.Run(name, func(t *testing.T) {
				if err := cache.Set(t.Context(), "key", nil, 0); err != nil {
					t.Error(err)
				}
			})
		}
	}
	fmt.Println(backendtest.Memory.Name)
	// Output: memory
}
