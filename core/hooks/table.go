package hooks

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
)

// A table holds a T for each name with which get was called. It searches linearly, because
// there are few names. The zero table is empty.
type table[T any] struct {
	mu   sync.Mutex               // held to add a row
	rows atomic.Pointer[[]row[T]] // the slice is replaced, and never changed
}

type row[T any] struct {
	name  string
	value *T
}

// get returns the T for name. It adds one if there is none.
func (t *table[T]) get(name string) *T {
	for _, r := range t.all() {
		if r.name == name {
			return r.value
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.all()
	for _, r := range rows {
		if r.name == name { // another goroutine has added it meanwhile
			return r.value
		}
	}
	value := new(T)
	rows = append(slices.Clip(rows), row[T]{name, value})
	t.rows.Store(&rows)
	return value
}

// all returns the rows, which must not be changed.
func (t *table[T]) all() []row[T] {
	if rows := t.rows.Load(); rows != nil {
		return *rows
	}
	return nil
}

// toJSON returns v as JSON. V consists of maps, strings and numbers.
func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
