package patterns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrRecursive means that a load waits for itself: its loader has requested its own key, or a
// key whose loader, directly or not, waits for this one. The text of the error has the keys.
// The loader that closes the circle gets the error, if it passes its context on.
var ErrRecursive = errors.New("patterns: the load waits for itself")

// A node is a job in the graph of the jobs that wait for each other. Its loader waits for
// those to which it has an edge. All Cacheds of a process are in one graph, which has no lock
// of its own. A caller that adds an edge looks for a circle afterwards. So if two callers
// close a circle together, at least one of them finds it.
type node struct {
	job interface{ keys() []string }

	mu    sync.Mutex
	waits []*node // guarded by mu: the edges, one for each call that waits
}

// nodeKey is the key of the node in the context of a loader.
type nodeKey struct{}

// nodeOf returns the node of the load whose loader was called with ctx, or nil.
func nodeOf(ctx context.Context) *node {
	n, _ := ctx.Value(nodeKey{}).(*node)
	return n
}

// waitFor adds an edge from n, which may be nil, to other. It returns ErrRecursive if that
// closes a circle. If it returns nil, stopWaiting must be called.
func (n *node) waitFor(other *node) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	n.waits = append(n.waits, other)
	n.mu.Unlock()
	path := other.pathTo(n, nil)
	if path == nil {
		return nil
	}
	n.stopWaiting(other)
	texts := []string{n.String()}
	for _, step := range path {
		texts = append(texts, step.String())
	}
	return fmt.Errorf("%w: %s", ErrRecursive, strings.Join(texts, " waits for "))
}

// stopWaiting removes the edge that waitFor has added.
func (n *node) stopWaiting(other *node) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.waits, other); i >= 0 {
		n.waits = slices.Delete(n.waits, i, i+1)
	}
}

// pathTo returns the nodes from n to target, including both, or nil if there is no path.
// Visited has the nodes that the search has reached before.
func (n *node) pathTo(target *node, visited map[*node]bool) []*node {
	if n == target {
		return []*node{n}
	}
	n.mu.Lock()
	next := slices.Clone(n.waits)
	n.mu.Unlock()
	if len(next) == 0 {
		return nil
	}
	if visited == nil {
		visited = map[*node]bool{}
	}
	visited[n] = true
	for _, other := range next {
		if visited[other] {
			continue
		}
		if path := other.pathTo(target, visited); path != nil {
			return append([]*node{n}, path...)
		}
	}
	return nil
}

// maxNamedKeys is how many keys of a job are in the text of an error.
const maxNamedKeys = 3

// String returns the keys of the job.
func (n *node) String() string {
	keys := n.job.keys()
	texts := make([]string, 0, maxNamedKeys+1)
	for i, key := range keys {
		if i == maxNamedKeys {
			texts = append(texts, "…")
			break
		}
		texts = append(texts, fmt.Sprintf("%.100q", key))
	}
	return strings.Join(texts, ", ")
}
