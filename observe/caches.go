package observe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// Other is the name under which a Caches counts names for which it has no room. No label can
// grow without a limit, whatever names a program makes up for its caches.
const Other = "_other"

// maxSeen is how many names a Caches keeps that were not added.
const maxSeen = 1000

// A Caches is the set of the caches that a hook counts, with a T for each of them. Many
// goroutines may use it at once. It must not be copied.
//
// A hook gets only the name of a cache. Of maps it to figures by these rules:
//
//   - A name that was added has figures of its own.
//   - A Cache that WithPrefix returned counts as the one it was made from, if that was added
//     and it was not: "users" for "users/tenant7:".
//   - The first thousand other names have figures without a driver; the rest count as Other.
type Caches[T any] struct {
	create func(name, driver string) *T
	byName atomic.Pointer[map[string]*Entry[T]] // the map is replaced, and never changed
	mu     sync.Mutex                           // held to replace the map
	seen   int                                  // guarded by mu: names kept that were not added
	other  atomic.Pointer[T]                    // of Other, once there is no room
}

// An Entry is one cache of a Caches.
type Entry[T any] struct {
	Name    string
	Cache   *core.Cache // nil if it was not added
	Figures *T
}

// NewCaches returns an empty set. It calls create, which must not be nil, for the T of each
// name; driver is "" for one that was not added. Create may be called by many goroutines.
func NewCaches[T any](create func(name, driver string) *T) *Caches[T] {
	cs := &Caches[T]{create: create}
	cs.byName.Store(&map[string]*Entry[T]{})
	return cs
}

// Add adds c under its name. The error is core.ErrConfig: c is nil, or a cache with its name is
// in the set. If verbs were counted under the name before, it begins with new figures.
func (cs *Caches[T]) Add(c *core.Cache) error {
	if c == nil {
		return fmt.Errorf("%w: observe: Add: the cache is nil; want one that core.Open or "+
			"core.New returned", core.ErrConfig)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if old := (*cs.byName.Load())[c.Name()]; old != nil && old.Cache != nil {
		return fmt.Errorf("%w: observe: Add: a cache with the name %q is added; want another "+
			"Name in core.Options, or Remove before", core.ErrConfig, c.Name())
	}
	cs.replace(func(all map[string]*Entry[T]) {
		all[c.Name()] = &Entry[T]{c.Name(), c, cs.create(c.Name(), c.Driver())}
	})
	return nil
}

// Remove removes c, and returns its figures, or nil if c is not in the set.
func (cs *Caches[T]) Remove(c *core.Cache) *T {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c == nil {
		return nil
	}
	old := (*cs.byName.Load())[c.Name()]
	if old == nil || old.Cache != c {
		return nil
	}
	cs.replace(func(all map[string]*Entry[T]) { delete(all, c.Name()) })
	return old.Figures
}

// replace replaces the map by a changed copy. The caller holds mu.
func (cs *Caches[T]) replace(change func(all map[string]*Entry[T])) {
	all := maps.Clone(*cs.byName.Load())
	change(all)
	cs.byName.Store(&all)
}

// Of returns the figures to which a verb of the cache called name counts. They are never nil.
func (cs *Caches[T]) Of(name string) *T {
	all := *cs.byName.Load()
	if e := all[name]; e != nil {
		return e.Figures
	}
	for parent := name; ; {
		i := strings.LastIndexByte(parent, '/')
		if i < 0 {
			return cs.see(name)
		}
		parent = parent[:i]
		if e := all[parent]; e != nil && e.Cache != nil {
			return e.Figures
		}
	}
}

// see returns the figures of a name that was not added.
func (cs *Caches[T]) see(name string) *T {
	if other := cs.other.Load(); other != nil {
		return other
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if e := (*cs.byName.Load())[name]; e != nil { // added meanwhile
		return e.Figures
	}
	if other := cs.other.Load(); other != nil { // filled meanwhile
		return other
	}
	name = strings.Clone(name)
	full := cs.seen == maxSeen
	if full {
		name = Other
	}
	e := &Entry[T]{name, nil, cs.create(name, "")}
	cs.replace(func(all map[string]*Entry[T]) { all[name] = e })
	if cs.seen++; full {
		cs.other.Store(e.Figures)
	}
	return e.Figures
}

// All returns all entries, sorted by name.
func (cs *Caches[T]) All() []*Entry[T] {
	return slices.SortedFunc(maps.Values(*cs.byName.Load()), func(a, b *Entry[T]) int {
		return cmp.Compare(a.Name, b.Name)
	})
}
