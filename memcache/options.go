package memcache

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"math"
	"net/url"
	"strings"
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
	// whose connection is lost is sent a second time, over another connection.
	Timeout time.Duration

	// MaxIdleTime is how long a connection may be idle; then it is closed. If 0, it is 3
	// minutes, because load balancers and firewalls forget a connection after 4 minutes or
	// more, and then drop what is sent over it without a word.
	MaxIdleTime time.Duration

	// MaxLifetime is how old a connection may be; then it is closed once no verb uses it. If
	// 0, it is 30 minutes. So connections to a load balancer, or to another address of
	// several machines, reach machines that are new.
	MaxLifetime time.Duration

	// Resolve is the time between two look-ups of the names of servers. If 0, it is 10
	// seconds. If a name no longer has the address to which its server is connected, all
	// verbs use a new address from that moment on. So a process moves as a whole, at the
	// latest Resolve and Timeout after its resolver knows the new address.
	Resolve time.Duration

	// Expand makes each address of a name a server of its own, with the weight of the name.
	// A headless service of Kubernetes has such a name. The look-ups of Resolve then find the
	// servers that come and go; servers that stay keep their keys as the Selection says. If a
	// look-up fails, or finds nothing, the last addresses are kept.
	Expand bool

	// TLS is the configuration for connections with TLS. If nil, connections do not use TLS.
	// If its ServerName is "", it is the host of each server.
	TLS *tls.Config

	// Username and Password are sent first over each connection, if Username is not "", as a
	// memcached with -Y expects it: ASCII authentication, in the text protocol. Neither may
	// contain a space or a control character. Without TLS they are sent in plain text.
	Username, Password string
}

const (
	defaultFailures    = 3
	defaultCoolDown    = 30 * time.Second
	defaultTimeout     = 500 * time.Millisecond
	defaultMaxIdleTime = 3 * time.Minute
	defaultMaxLifetime = 30 * time.Minute
	defaultResolve     = 10 * time.Second
)

// urlOptions returns the Options in the parameters of u and its user. If a parameter is
// invalid, p.Err returns an error.
func urlOptions(u *url.URL, p *core.Params) Options {
	o := Options{
		Selection:   Selection(p.Choice("hash", selectionNames[:]...)),
		Dead:        DeadPolicy(p.Choice("dead", deadPolicyNames[:]...)),
		Failures:    p.Int("eject_after", 0, 1, math.MaxInt32),
		CoolDown:    p.Duration("cool_down", 0, 1),
		Keys:        keyEncoders[p.Choice("keys", keyEncoderNames[:]...)],
		Timeout:     p.Duration("timeout", 0, 1),
		MaxIdleTime: p.Duration("max_idle_time", 0, 1),
		MaxLifetime: p.Duration("max_lifetime", 0, 1),
		Resolve:     p.Duration("resolve", 0, 1),
		Expand:      p.Bool("expand", false),
		Username:    u.User.Username(),
	}
	o.Password, _ = u.User.Password()
	if p.Bool("tls", false) {
		o.TLS = &tls.Config{}
	}
	return o
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
	o.Failures = cmp.Or(o.Failures, defaultFailures)
	if o.Failures < 0 {
		return o, configError(fmt.Sprintf("Failures is %d; want 1 or more, or 0 for %d",
			o.Failures, defaultFailures))
	}
	for _, field := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"CoolDown", &o.CoolDown, defaultCoolDown},
		{"Timeout", &o.Timeout, defaultTimeout},
		{"MaxIdleTime", &o.MaxIdleTime, defaultMaxIdleTime},
		{"MaxLifetime", &o.MaxLifetime, defaultMaxLifetime},
		{"Resolve", &o.Resolve, defaultResolve},
	} {
		if *field.value < 0 {
			return o, configError(fmt.Sprintf("%s is %v; want more than 0, or 0 for %v",
				field.name, *field.value, field.zero))
		}
		*field.value = cmp.Or(*field.value, field.zero)
	}
	switch {
	case !o.Selection.valid():
		return o, configError(fmt.Sprintf("Selection is %v; %s", o.Selection, wantSelection))
	case o.Dead != Fail && o.Dead != Eject:
		return o, configError(fmt.Sprintf("Dead is %v; want Fail or Eject", o.Dead))
	case strings.ContainsFunc(o.Username+o.Password, isSpaceOrControl):
		return o, configError("Username or Password has a space or a control character; " +
			"want none, because memcached cannot read such a login")
	case (o.Username == "") != (o.Password == ""):
		return o, configError("only one of Username and Password is set; want both or none")
	}
	return o, nil
}

func isSpaceOrControl(c rune) bool { return c == ' ' || isControl(c) }
