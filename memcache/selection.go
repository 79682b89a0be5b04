package memcache

import (
	"fmt"
	"strings"
)

// A Selection is a rule that says which server has a key. Programs that share
// servers need the same rule and the same servers in the same order, with the
// same text for each host. The zero value is Ketama.
type Selection int

const (
	// Ketama is pylibmc's {'ketama': True}: a ring with 100 points for each
	// server; points and keys by Jenkins's one-at-a-time hash. As soon as one
	// server has a weight above 1 the points are those of KetamaWeighted, the
	// keys stay.
	Ketama Selection = iota

	// KetamaWeighted is pylibmc's {'ketama_weighted': True}: a ring with 160
	// points for each server, shared out by weight; points and keys by MD5.
	KetamaWeighted

	// PythonMemcached is what python-memcached does unless told otherwise: 15
	// bits of the key's CRC-32 modulo the sum of the weights.
	PythonMemcached

	// Modula is the rule of gomemcache and of most clients: the key's CRC-32
	// modulo the number of servers. It knows no weights.
	Modula
)

var selectionNames = [...]string{"ketama", "ketama_weighted", "python_memcached", "modula"}

// wantSelection is wanted where none of them is given.
var wantSelection = "want one of " + strings.Join(selectionNames[:], ", ")

func (s Selection) known() bool { return s >= 0 && int(s) < len(selectionNames) }

// String answers the name of the rule: ketama, ketama_weighted, python_memcached
// or modula.
func (s Selection) String() string {
	if !s.known() {
		return fmt.Sprintf("Selection(%d)", int(s))
	}
	return selectionNames[s]
}

// MarshalText answers the name of the rule, or ErrConfig if there is no such rule.
func (s Selection) MarshalText() ([]byte, error) {
	if !s.known() {
		return nil, configError(fmt.Sprintf("%v is no rule: %s", s, wantSelection))
	}
	return []byte(s.String()), nil
}

// UnmarshalText sets s to the rule of this name. Of any other text it is
// ErrConfig, and s stays.
func (s *Selection) UnmarshalText(text []byte) error {
	for rule, name := range selectionNames {
		if string(text) == name {
			*s = Selection(rule)
			return nil
		}
	}
	return configError("no rule has this name: " + wantSelection)
}

// A Selector says which of some servers has a key. It never changes, so that many
// goroutines may use it at once. The zero value has no servers.
type Selector struct {
	rule    Selection
	servers int
	points  ring
	keysMD5 bool // keys are looked up on the ring by MD5, not by one-at-a-time
	buckets buckets
}

// NewSelector answers the Selector of servers by rule. It keeps nothing of
// servers, and normalizes them by itself.
//
// The error is ErrConfig if NormalizeServers refuses servers, if there is no such
// rule, or if the rule is Modula and a weight is above 1.
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
			return nil, configError("the rule modula knows no weights: want 1 for each server, or another rule")
		}
	default:
		return nil, configError(fmt.Sprintf("%v is no rule: %s", rule, wantSelection))
	}
	return s, nil
}

// Pick answers which server has key, by its place in the list that NewSelector was
// given. key is what goes to the wire, with its prefix and encoded.
//
// If dead is not nil, servers of which it answers true are passed over, and the
// keys of the others stay where they are. On a ring the server of the next point
// has the key then; that is also where pylibmc looks once it has ejected a server,
// unless there are weights, by which it would share the ring out anew.
// PythonMemcached looks nine times elsewhere, as python-memcached does; where that
// gives up, and with Modula, it is the next server of the list that is not dead.
//
// Pick answers -1 if all are dead. It calls dead any number of times and keeps
// nothing of it, and allocates nothing.
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
	// Here server is -1 if the ring has only dead ones; a server of very little
	// weight has no point there.
	for i := range s.servers {
		if next := (max(server, 0) + i) % s.servers; !dead(next) {
			return next
		}
	}
	return -1
}
