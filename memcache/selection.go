package memcache

import (
	"fmt"
	"strings"
)

// A Selection is a rule that says which server has a key. Programs that share servers need
// the same rule and the same servers in the same order, with the same text for each host.
// The zero value is Ketama.
type Selection int

const (
	// Ketama is the rule of pylibmc with {'ketama': True}: a ring with 100 points for each
	// server. Points and keys are hashed by Jenkins's one-at-a-time. If a server has a weight
	// above 1, the ring is the one of KetamaWeighted; keys are still hashed by
	// one-at-a-time.
	Ketama Selection = iota

	// KetamaWeighted is the rule of pylibmc with {'ketama_weighted': True}: a ring with 160
	// points a server on average, distributed by weight. Points and keys are hashed by MD5.
	KetamaWeighted

	// PythonMemcached is the default rule of python-memcached: 15 bits of the key's CRC-32
	// modulo the sum of the weights.
	PythonMemcached

	// Modula is the rule of gomemcache and of most clients: the key's CRC-32 modulo the
	// number of servers. It does not support weights.
	Modula
)

var selectionNames = [...]string{"ketama", "ketama_weighted", "python_memcached", "modula"}

// wantSelection ends the error about a Selection that does not exist.
var wantSelection = "want one of " + strings.Join(selectionNames[:], ", ")

func (s Selection) valid() bool { return s >= 0 && int(s) < len(selectionNames) }

// String returns the name of the rule: ketama, ketama_weighted, python_memcached or modula.
func (s Selection) String() string {
	if !s.valid() {
		return fmt.Sprintf("Selection(%d)", int(s))
	}
	return selectionNames[s]
}

// MarshalText returns the name of the rule. It returns ErrConfig if s is not a rule.
func (s Selection) MarshalText() ([]byte, error) {
	if !s.valid() {
		return nil, configError(fmt.Sprintf("%v is not a rule; %s", s, wantSelection))
	}
	return []byte(s.String()), nil
}

// UnmarshalText sets s to the rule with the name text. If there is none, it returns ErrConfig
// and leaves s unchanged.
func (s *Selection) UnmarshalText(text []byte) error {
	for rule, name := range selectionNames {
		if string(text) == name {
			*s = Selection(rule)
			return nil
		}
	}
	return configError("no rule has this name; " + wantSelection)
}

// A Selector chooses one of a list of servers for each key. It never changes, so that many
// goroutines may use it at once. The zero value has no servers.
type Selector struct {
	rule    Selection
	servers int
	points  ring
	keysMD5 bool // whether keys are hashed by MD5, not by one-at-a-time
	buckets buckets
}

// NewSelector returns a Selector that chooses among servers by rule. It normalizes a copy of
// servers and does not keep servers itself.
//
// It returns ErrConfig if NormalizeServers refuses servers, if rule does not exist, or if
// rule is Modula and a weight is above 1.
func NewSelector(rule Selection, servers []Server) (*Selector, error) {
	servers, addresses, err := normalize(servers)
	if err != nil {
		return nil, err
	}
	weighted := false
	for _, server := range servers {
		weighted = weighted || server.Weight > 1
	}
	s := &Selector{rule: rule, servers: len(servers)}
	switch rule {
	case Ketama:
		s.points = newRing(servers, addresses, weighted)
	case KetamaWeighted:
		s.points, s.keysMD5 = newRing(servers, addresses, true), true
	case PythonMemcached:
		s.buckets = newBuckets(servers)
	case Modula:
		if weighted {
			return nil, configError("the rule modula does not support weights; " +
				"want weight 1 for each server, or another rule")
		}
	default:
		return nil, configError(fmt.Sprintf("%v is not a rule; %s", rule, wantSelection))
	}
	return s, nil
}

// Pick returns the server of key, as its index in the list that NewSelector was called with.
// Key is the key that is sent to memcached: with its prefix, and encoded.
//
// If dead is not nil, Pick passes over the servers for which dead returns true; the keys of
// the other servers do not move. On a ring, the key of a dead server belongs to the server of
// the next point. That is also where pylibmc looks after it has ejected a server, except with
// weights: then pylibmc computes new points for the servers that are left. PythonMemcached
// tries nine other buckets, as python-memcached does. If these are of dead servers too, and
// always with Modula, the key belongs to the next server in the list that is not dead.
//
// Pick returns -1 if all servers are dead. It may call dead any number of times, but does not
// keep it. It allocates nothing.
func (s *Selector) Pick(key string, dead func(server int) bool) int {
	server := -1
	switch {
	case s.servers == 0:
		return -1
	case s.servers == 1:
		server = 0
	case s.rule == PythonMemcached:
		server = s.buckets.pick(key, dead)
	case s.rule == Modula:
		server = int(crc32IEEE(key) % uint32(s.servers))
	case s.keysMD5:
		server = s.points.pick(md5Hash(key), dead)
	default:
		server = s.points.pick(oneAtATime(key), dead)
	}
	if dead == nil {
		return server
	}
	// Server is -1 here if only dead servers have points on the ring. A server of very little
	// weight has none.
	for i := range s.servers {
		if next := (max(server, 0) + i) % s.servers; !dead(next) {
			return next
		}
	}
	return -1
}
