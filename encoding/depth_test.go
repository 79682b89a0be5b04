package encoding_test

import (
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Types whose values can contain themselves.
type (
	node struct {
		Name string
		Next *node
	}
	riskyNode struct { // in which a pointer can come back as nil, too
		Number **int
		Next   *riskyNode
	}
	nodes  []nodes
	byName map[string]byName
	self   *self

	Nest struct { // which package gob stores as a field
		*Nest
		Name string
	}
	NamedNest struct { // which is stored as a field
		*NamedNest `json:"nest"`
		Name       string
	}
)

// wantTooDeep fails unless codec refuses v, which contains itself. A codec that does not
// refuse it recurses until the stack overflows, which ends the test program.
func wantTooDeep[T any](t *testing.T, codec core.Codec[T], v T) {
	t.Helper()
	data, _, err := codec.Append([]byte("dst"), v)
	if err == nil || string(data) != "dst" || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf(
			"Append = %.40q, %v; want dst, and an error that says it contains itself",
			data,
			err,
		)
	}
}

func TestAValueThatContainsItselfIsRefused(t *testing.T) {
	n := &node{Name: "a"}
	n.Next = n
	wantTooDeep(t, encoding.JSON[*node](), n)
	wantTooDeep(t, encoding.JSON[map[string][]node](), map[string][]node{"a": {*n}})
	wantTooDeep(t, encoding.Gob[*node](), n)
	wantTooDeep(t, encoding.Gob[node](), *n)
	r := &riskyNode{}
	r.Next = r
	wantTooDeep(t, encoding.JSON[riskyNode](), *r)
	wantTooDeep(t, encoding.Gob[riskyNode](), *r)
	list := make(nodes, 1)
	list[0] = list
	wantTooDeep(t, encoding.JSON[nodes](), list)
	wantTooDeep(t, encoding.Gob[nodes](), list)
	m := byName{}
	m["a"] = m
	wantTooDeep(t, encoding.JSON[byName](), m)
	wantTooDeep(t, encoding.Gob[byName](), m)
	nest := Nest{Name: "a"}
	nest.Nest = &nest
	wantTooDeep(t, encoding.Gob[Nest](), nest)
	data, flags := encode(t, encoding.Gob[Nest](), Nest{&Nest{Name: "b"}, "a"})
	got, err := encoding.Gob[Nest]().Decode(data, flags)
	if err != nil || got.Nest == nil || got.Nest.Name != "b" {
		t.Errorf("a Nest in a Nest is decoded as %+v, %v", got, err)
	}
	var s self
	s = &s
	wantTooDeep(t, encoding.JSON[self](), s)
}

// chainOf returns a chain of n nodes.
func chainOf(n int) (first *node) {
	for range n {
		first = &node{Name: "a", Next: first}
	}
	return first
}

func TestAValueIsStoredAsDeepAsItCanBeRead(t *testing.T) {
	const deepest = 10_000
	for name, codec := range map[string]core.Codec[*node]{
		"JSON": encoding.JSON[*node](), "Gob": encoding.Gob[*node](),
	} {
		data, flags, err := codec.Append(nil, chainOf(deepest))
		if err != nil {
			t.Fatalf("%s: Append of %d levels: %v", name, deepest, err)
		}
		got, err := codec.Decode(data, flags)
		depth := 0
		for ; got != nil; got = got.Next {
			depth++
		}
		if err != nil || depth != deepest {
			t.Errorf("%s: Decode returns %d levels of %d, %v", name, depth, deepest, err)
		}
		wantTooDeep(t, codec, chainOf(deepest+1))
	}
}
