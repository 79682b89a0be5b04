package memcache

// A Batch is the part of a multi verb for one server.
type Batch[T any] struct {
	Node  *Node[T] // nil if there are no servers
	Trial bool     // as Pick returns it, for one of the keys
	Keys  []int    // the indexes of its keys in the call
}

// Batches distributes encoded keys over their servers. It leaves out those that are "", and
// those for which fits, if it is not nil, returns false.
func (r *Router[T]) Batches(keys []string, fits func(i int, n *Node[T]) bool) []*Batch[T] {
	var all []*Batch[T]
	byNode := map[*Node[T]]*Batch[T]{}
	var t *Batch[T]
	for i, key := range keys {
		if key == "" {
			continue
		}
		n, trial := r.Pick(key)
		if fits != nil && !fits(i, n) {
			if trial {
				r.Untried(n)
			}
			continue
		}
		if t == nil || t.Node != n {
			if t = byNode[n]; t == nil {
				t = &Batch[T]{Node: n, Keys: make([]int, 0, len(keys))}
				byNode[n] = t
				all = append(all, t)
			}
		}
		t.Trial = t.Trial || trial
		t.Keys = append(t.Keys, i)
	}
	return all
}
