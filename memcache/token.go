package memcache

// A Token is the state of an item, for core.Item.Token. Each server counts its states by itself, so
// that a Token is valid only for its own server.
type Token[T any] struct {
	Node *Node[T]
	Key  string // encoded
	CAS  uint64
}

// Fits reports whether t is the state of an item under key on n. If t is nil, it returns true.
func (t *Token[T]) Fits(n *Node[T], key string) bool {
	return t == nil || t.Node == n && t.Key == key
}
