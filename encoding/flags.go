package encoding

import (
	"errors"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// Flags that others write and we only read: python-memcached's and pylibmc's, as
// of 1.59 and 1.6.
const (
	flagPickle uint32 = 1 // any Python object
	flagLong   uint32 = 4 // pylibmc's integer
)

var (
	errPickle   = errors.New("the value is a Python pickle (flag 1), which is code and is never run; let the Python side store text, bytes or a number")
	errEnvelope = errors.New("the value lies in an envelope with facts beside it; package encoding's Envelope reads it")
)

// Plain answers the data that a codec has to decode, for the authors of codecs:
// data itself, or what it was before zlib compressed it, up to 64 MiB. The error says what flags stand for if that is neither
// core.FlagBytes, which is also what a backend without flags answers, nor one of
// kinds: a pickle, an envelope, an integer where text is wanted.
func Plain(data []byte, flags uint32, kinds ...uint32) ([]byte, error) {
	kind := flags &^ core.FlagZlib
	if kind != core.FlagBytes && !contains(kinds, kind) {
		return nil, wrongKind(kind, kinds)
	}
	if flags&core.FlagZlib != 0 {
		return decompress(zlibCompression{}, data, defaultMaxSize)
	}
	return data, nil
}

// contains is slices.Contains, which would have kinds escape.
func contains(kinds []uint32, kind uint32) bool {
	for _, k := range kinds {
		if k == kind {
			return true
		}
	}
	return false
}

func wrongKind(kind uint32, kinds []uint32) error {
	switch {
	case kind&core.FlagEnvelope != 0:
		return errEnvelope
	case kind == flagPickle:
		return errPickle
	}
	want := ""
	for _, k := range kinds {
		want += kindName(k) + " or "
	}
	return fmt.Errorf("the value is %s, want %s%s", kindName(kind), want, kindName(core.FlagBytes))
}

func kindName(kind uint32) string {
	switch kind {
	case core.FlagBytes:
		return "bytes"
	case core.FlagInt, flagLong:
		return "an integer"
	case core.FlagText:
		return "text"
	}
	return fmt.Sprintf("of a kind unknown here (flags %d)", kind)
}
