package encoding

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Flags that python-memcached 1.59 and pylibmc 1.6 write, and that this package only reads.
const (
	flagPickle uint32 = 1 // any Python object
	flagLong   uint32 = 4 // an integer of pylibmc
)

var (
	errPickle = errors.New("the value is a Python pickle (flag 1), a program, " +
		"which is never run; store text, bytes or a number in Python")
	errEnvelope = errors.New("the value is in an envelope with facts; " +
		"encoding.Envelope reads it")
)

// Plain returns the data that a codec has to decode. It is for authors of codecs. It
// returns data itself or, if flags have core.FlagZlib, the decompressed data, up to 64
// MiB.
//
// The other flags must be core.FlagBytes, which are also the flags of every value if the
// backend keeps none, or one of kinds. Otherwise Plain returns an error that says what
// kind of value the flags stand for: a pickle, an envelope, or an integer instead of
// text.
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
	return fmt.Errorf("the value is %s, want %s",
		kindName(flags), strings.Join(slices.Compact(want), " or "))
}

// kindName returns the kind of value that flags stand for, compressed or not.
func kindName(flags uint32) string {
	switch flags &^ core.FlagZlib {
	case core.FlagBytes:
		return "bytes"
	case core.FlagInt, flagLong:
		return "an integer"
	case core.FlagText:
		return "text"
	}
	return fmt.Sprintf("of an unknown kind (flags %d)", flags)
}
