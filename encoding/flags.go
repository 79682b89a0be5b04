package encoding

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Flags that others write and we only read: python-memcached's and pylibmc's, as
// of 1.59 and 1.6.
const (
	flagPickle uint32 = 1 // any Python object
	flagLong   uint32 = 4 // pylibmc's integer
)

var (
	errPickle = errors.New("the value is a Python pickle (flag 1), which is code and is never run; " +
		"let the Python side store text, bytes or a number")
	errEnvelope = errors.New("the value lies in an envelope with facts beside it; package encoding's Envelope reads it")
)

// Plain answers the data that a codec has to decode, for the authors of codecs:
// data itself, or what it was before zlib compressed it, up to 64 MiB. It is an
// error that tells what flags stand for if that is neither core.FlagBytes, which
// is also what a backend without flags answers, nor one of kinds: a pickle, an
// envelope, an integer where text is wanted.
func Plain(data []byte, flags uint32, kinds ...uint32) ([]byte, error) {
	kind := flags &^ core.FlagZlib
	if kind != core.FlagBytes && !slices.Contains(kinds, kind) {
		return nil, wrongKind(flags, kinds)
	}
	if flags&core.FlagZlib != 0 {
		return decompress(zlibCompression{}, data, defaultMaxSize)
	}
	return data, nil
}

func wrongKind(flags uint32, kinds []uint32) error {
	switch kind := flags &^ core.FlagZlib; {
	case kind&core.FlagEnvelope != 0:
		return errEnvelope
	case kind == flagPickle:
		return errPickle
	}
	var want []string
	for _, kind := range append(kinds[:len(kinds):len(kinds)], core.FlagBytes) {
		want = append(want, kindName(kind))
	}
	return fmt.Errorf("the value is %s, want %s", kindName(flags), strings.Join(slices.Compact(want), " or "))
}

// kindName tells what flags stand for, compressed or not.
func kindName(flags uint32) string {
	switch flags &^ core.FlagZlib {
	case core.FlagBytes:
		return "bytes"
	case core.FlagInt, flagLong:
		return "an integer"
	case core.FlagText:
		return "text"
	}
	return fmt.Sprintf("of a kind unknown here (flags %d)", flags)
}
