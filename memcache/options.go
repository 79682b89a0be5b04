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

// Options are the settings that all drivers for memcached have. The zero value of a field is
// its default.
type Options struct {
	// Selection is the rule that says which server has a key. The default is Ketama.
	Selection Selection

	// Dead says what happens to the keys of a server that cannot be reached. The default
	// is Fail.
	Dead DeadPolicy

	// Failures is the number of failures in a row after which Eject ejects a server. If 0,
	// it is 3.
	Failures int

	// CoolDown is how long Eject leaves a server alone before it is tried again. If 0, it is
	// 30 seconds.
	CoolDown time.Duration

	// Keys encodes keys. If nil, it is encoding.Auto.
	Keys encoding.KeyEncoder

	// Timeout limits connecting to a server, and then each request with its whole reply. If
	// 0, it is 500 milliseconds. The limits are separate: a verb may wait this long for a
	// free connection, as long again to connect, and as long again for its reply. A read
	// whose connection is lost connects and sends its request a second time.
	Timeout time.Duration
}

const (
	defaultFailures = 3
	defaultCoolDown = 30 * time.Second
	defaultTimeout  = 500 * time.Millisecond
)

// URLOptions returns the Options in the parameters of a URL: hash, dead, eject_after,
// cool_down, keys and timeout. If any of them is invalid, p.Err returns an error.
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
		nil,
		encoding.String,
		encoding.Base64,
		encoding.Hash(sha1.New),
		encoding.Hash(sha256.New),
	}
)

// WithDefaults returns o with its default in each zero field, except that a nil Keys stays
// nil. It returns core.ErrConfig if a field is out of its range.
func (o Options) WithDefaults() (Options, error) {
	var problem string
	switch {
	case !o.Selection.valid():
		problem = fmt.Sprintf("%v is not a rule; %s", o.Selection, wantSelection)
	case o.Dead != Fail && o.Dead != Eject:
		problem = fmt.Sprintf("%v is not a policy; want Fail or Eject", o.Dead)
	case o.Failures < 0:
		problem = fmt.Sprintf("Failures is %d; want 1 or more, or 0 for %d",
			o.Failures, defaultFailures)
	case o.CoolDown < 0:
		problem = fmt.Sprintf("CoolDown is %v; want more than 0, or 0 for %v",
			o.CoolDown, defaultCoolDown)
	case o.Timeout < 0:
		problem = fmt.Sprintf("Timeout is %v; want more than 0, or 0 for %v",
			o.Timeout, defaultTimeout)
	}
	if problem != "" {
		return o, configError(problem)
	}
	o.Failures = cmp.Or(o.Failures, defaultFailures)
	o.CoolDown = cmp.Or(o.CoolDown, defaultCoolDown)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	return o, nil
}
