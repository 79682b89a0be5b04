package encoding

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Flags of the kinds of values that only Go programs with these codecs read. They are numbers
// and not single bits: a value has one of them. Numbers above FlagSigned, up to 15<<24, are for
// codecs of programs. python-memcached refuses all of them; see [AsBytes].
const (
	FlagGob       uint32 = 1 << 24 // Gob
	FlagMsgPack   uint32 = 2 << 24 // module encoding/msgpack
	FlagCBOR      uint32 = 3 << 24 // module encoding/cbor
	FlagProtobuf  uint32 = 4 << 24 // module encoding/protobuf
	FlagEncrypted uint32 = 5 << 24 // Protect, by seal.Encrypter
	FlagSigned    uint32 = 6 << 24 // Protect, by seal.Signer

	ownKinds uint32 = 15 << 24 // the bits of these numbers
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

var kindNames = map[uint32]string{
	core.FlagBytes: "bytes",
	core.FlagInt:   "an integer",
	flagLong:       "an integer",
	core.FlagText:  "text",
	FlagGob:        "a gob",
	FlagMsgPack:    "MessagePack",
	FlagCBOR:       "CBOR",
	FlagProtobuf:   "a Protocol Buffers message",
	FlagEncrypted:  "encrypted (encoding.Protect reads it)",
	FlagSigned:     "signed (encoding.Protect reads it)",
}

// kindName returns the kind of value that flags stand for, compressed or not.
func kindName(flags uint32) string {
	if name, ok := kindNames[flags&^core.FlagZlib]; ok {
		return name
	}
	return fmt.Sprintf("of an unknown kind (flags %#x)", flags)
}
