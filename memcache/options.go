package memcache

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"math"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Options are what every driver for memcached can be told. The zero value of a
// field is its default.
type Options struct {
	// Selection says which server has a key; the default is Ketama.
	Selection Selection

	// Dead says what becomes of the keys of a server that cannot be reached; the
	// default is Fail.
	Dead DeadPolicy

	// Failures is after how many failures in a row a server is ejected; 0 is 3.
	Failures int

	// CoolDown is for how long; 0 is 30 seconds.
	CoolDown time.Duration

	// Keys encodes keys; nil is encoding.Auto.
	Keys encoding.KeyEncoder

	// Timeout is how long a server may take to be connected to, and then to
	// answer a request as a whole; 0 is 500 milliseconds. Each counts for itself:
	// a verb may wait as long for a connection to be free, connect, and be
	// answered, and a read whose connection is lost does the latter two again.
	Timeout time.Duration
}

const (
	defaultFailures = 3
	defaultCoolDown = 30 * time.Second
	defaultTimeout  = 500 * time.Millisecond
)

// URLOptions answers the Options that the parameters of a URL name: hash, dead,
// eject_after, cool_down, keys and timeout. What is wrong with them p.Err tells.
func URLOptions(p *core.Params) Options {
	return Options{
		Selection: Selection(p.Choice("hash", selectionNames[:]...)),
		Dead:      DeadPolicy(p.Choice("dead", deadPolicyNames[:]...)),
		Failures:  p.Int("eject_after", defaultFailures, 1, math.MaxInt32),
		CoolDown:  p.Duration("cool_down", defaultCoolDown, 1),
		Keys:      keyEncoders[p.Choice("keys", keyEncoderNames[:]...)],
		Timeout:   p.Duration("timeout", defaultTimeout, 1),
	}
}

var (
	keyEncoderNames = [...]string{"auto", "string", "base64", "sha1", "sha256"}
	keyEncoders     = [...]encoding.KeyEncoder{
		nil, encoding.String, encoding.Base64, encoding.Hash(sha1.New), encoding.Hash(sha256.New),
	}
)

// WithDefaults answers o with each zero field set to its default, or
// core.ErrConfig if a field is out of its range.
func (o Options) WithDefaults() (Options, error) {
	switch {
	case !o.Selection.known():
		return o, configError(fmt.Sprintf("%v is no rule: %s", o.Selection, wantSelection))
	case o.Dead != Fail && o.Dead != Eject:
		return o, configError(fmt.Sprintf("%v is no policy, want Fail or Eject", o.Dead))
	case o.Failures < 0:
		return o, configError(fmt.Sprintf("Failures is %d, want 1 or more, or 0 for %d", o.Failures, defaultFailures))
	case o.CoolDown < 0:
		return o, configError(fmt.Sprintf("CoolDown is %v, want more than 0, or 0 for %v", o.CoolDown, defaultCoolDown))
	case o.Timeout < 0:
		return o, configError(fmt.Sprintf("Timeout is %v, want more than 0, or 0 for %v", o.Timeout, defaultTimeout))
	}
	o.Failures = cmp.Or(o.Failures, defaultFailures)
	o.CoolDown = cmp.Or(o.CoolDown, defaultCoolDown)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	return o, nil
}
