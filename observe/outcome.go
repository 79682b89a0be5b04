package observe

import (
	"context"
	"errors"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// An Outcome says in one word how a verb ended.
type Outcome uint8

// The outcomes. Those from Unavailable on are errors, see Outcome.IsError.
const (
	OK       Outcome = iota // no error, of a verb that neither found nor changed anything
	Hit                     // all keys that were looked for were present
	Miss                    // none of them was, or the verb returned core.ErrMiss
	Partial                 // some of them were
	Stored                  // an item was stored or changed
	Deleted                 // deleted, or flushed
	Exists                  // core.ErrExists
	Conflict                // core.ErrConflict

	Unavailable // core.ErrUnavailable
	Timeout     // context.DeadlineExceeded
	Canceled    // context.Canceled
	Closed      // core.ErrClosed
	InvalidKey  // core.ErrInvalidKey
	InvalidTTL  // core.ErrInvalidTTL
	TooLarge    // core.ErrTooLarge
	NotNumber   // core.ErrNotNumber
	Codec       // core.ErrCodec
	Unsupported // errors.ErrUnsupported
	Mixed       // the keys of a multi verb failed with different outcomes
	Failed      // any other error

	NumOutcomes = int(Failed) + 1
)

var outcomeNames = [NumOutcomes]string{
	"ok", "hit", "miss", "partial", "stored", "deleted", "exists", "conflict",
	"unavailable", "timeout", "canceled", "closed", "invalid_key", "invalid_ttl", "too_large",
	"not_number", "codec", "unsupported", "mixed", "error",
}

// String returns the outcome in lower case, such as "invalid_key". Failed is "error".
func (o Outcome) String() string {
	if int(o) < NumOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// IsError reports whether the verb failed. A miss, a key that exists and a conflict are no
// failures, although they are errors of the verbs.
func (o Outcome) IsError() bool { return o >= Unavailable }

// OutcomeOf returns the outcome of a verb that found hits, did not find misses, and returned
// err. The arguments are those of core.CountHook. If some keys of a multi verb failed, it is
// the outcome of these.
func OutcomeOf(verb string, hits, misses int, err error) Outcome {
	switch {
	case err != nil:
		return outcomeOfError(err)
	case hits > 0 && misses > 0:
		return Partial
	case hits > 0:
		return Hit
	case misses > 0:
		return Miss
	}
	switch verb {
	case "Ping", "Stats", "GetMulti", "GetItems": // the last two without any keys
		return OK
	case "Flush":
		return Deleted
	}
	if strings.Contains(verb, "Delete") {
		return Deleted
	}
	return Stored
}

// kinds are the outcomes of errors. The first that matches counts: a backend may report that a
// context was done as core.ErrUnavailable as well.
var kinds = []struct {
	err     error
	outcome Outcome
}{
	{context.Canceled, Canceled},
	{context.DeadlineExceeded, Timeout},
	{core.ErrUnavailable, Unavailable},
	{core.ErrClosed, Closed},
	{core.ErrInvalidKey, InvalidKey},
	{core.ErrInvalidTTL, InvalidTTL},
	{core.ErrTooLarge, TooLarge},
	{core.ErrNotNumber, NotNumber},
	{core.ErrCodec, Codec},
	{errors.ErrUnsupported, Unsupported},
	{core.ErrExists, Exists},
	{core.ErrConflict, Conflict},
	{core.ErrMiss, Miss},
}

func outcomeOfError(err error) Outcome {
	if err == core.ErrMiss {
		return Miss
	}
	if multi, ok := err.(*core.MultiError); ok && multi != nil {
		return outcomeOfKeys(multi)
	}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			return kind.outcome
		}
	}
	return Failed
}

// outcomeOfKeys returns the outcome of the keys that failed, or Mixed. Failures count more than
// other outcomes, and of these the largest.
func outcomeOfKeys(err *core.MultiError) Outcome {
	const none = Outcome(NumOutcomes)
	failure, other := none, OK
	for _, err := range err.Errors {
		switch o := outcomeOfError(err); {
		case !o.IsError():
			other = max(other, o)
		case failure == none:
			failure = o
		case failure != o:
			return Mixed
		}
	}
	switch {
	case failure != none:
		return failure
	case other != OK:
		return other
	}
	return Failed
}
