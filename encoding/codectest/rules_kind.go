package codectest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// kindRules are about the values of other codecs.
func kindRules[T any]() []rule[T] {
	return []rule[T]{
		{"flags", "A value with the flags of another kind of value is refused.", flagsTell[T]},
		{
			"foreign",
			"The value of another codec is refused, or if its flags are among those that the " +
				"codec reads, decoded as a whole value.",
			foreignIsRefused[T],
		},
	}
}

// Flags that only Python writes, and all flags that say what kind of value it is.
const (
	flagPickle = 1
	flagLong   = 4
	kindFlags  = flagPickle | core.FlagInt | flagLong | core.FlagText | 15<<24
)

// A foreign is the value of a codec.
type foreign struct {
	name  string
	data  string
	flags uint32
}

// deflatedForeigners are the data of foreigners, compressed by zlib.
var deflatedForeigners = sync.OnceValue(func() (all [][]byte) {
	for _, f := range foreigners {
		all = append(all, deflated([]byte(f.data), 0))
	}
	return all
})

// foreigners has values of every codec of this repository, and of Python. Tests in the
// modules of the codecs check that they write these bytes.
var foreigners = []foreign{
	{"Bytes", "\x00\xff\xfe bytes", core.FlagBytes},
	{"Text", "grüße", core.FlagText},
	{"Text of a digit", "5", core.FlagText},
	{"Int", "53", core.FlagInt},
	{"Int of Python", "53", flagLong},
	{"a pickle", "\x80\x04\x88.", flagPickle},
	{"a float of python-memcached", "1.5", flagPickle},
	{"JSON", `{"codectest":"foreign"}`, core.FlagText},
	{"JSON of a list", `[[["codectest"]]]`, core.FlagText},
	{"MsgPack", "\x81\xa9codectest\xa7foreign", encoding.FlagMsgPack},
	{"MsgPack of 53", "5", encoding.FlagMsgPack},
	{"CBOR", "\xa1\x69codectest\x67foreign", encoding.FlagCBOR},
	{"CBOR of 53", "\x18\x35", encoding.FlagCBOR},
	{"Protobuf", "\x09\x0a\x07foreign", encoding.FlagProtobuf},
	{"Gob of 53", "\x03\x04\x00\x6a\x04\x78\x20\xe4", encoding.FlagGob},
	{"an envelope", "\xf8cw\x01\x02\x03\x00", core.FlagEnvelope},
	{"an envelope with text", "\xf8cw\x01\x03\x02\x01\x07text", core.FlagEnvelope | core.FlagText},
	{"encrypted", "\xf9" + "0123456789012345678901234567890123456789", encoding.FlagEncrypted},
	{"signed", "\xfa" + "0123456789012345678901234567890123456789", encoding.FlagSigned},
	{"a codec of another program", "\x01other", 15 << 24},
	{"an unknown flag", "unknown", 1 << 31},
}

// reads reports whether the codec may read values with flags. The kinds that it writes are
// own. core.FlagBytes are the flags of every value over a backend that keeps none.
func (s *suite[T]) reads(flags uint32, own map[uint32]bool) bool {
	kind := flags &^ core.FlagZlib
	return own[kind] || slices.Contains(s.Reads, kind) || kind == core.FlagBytes
}

// ownKinds returns the flags that Append returns, without core.FlagZlib.
func (s *suite[T]) ownKinds() map[uint32]bool {
	own := map[uint32]bool{}
	for _, e := range s.samples {
		own[e.flags&^core.FlagZlib] = true
	}
	return own
}

func flagsTell[T any](s *suite[T]) {
	own := s.ownKinds()
	for v, e := range s.samples {
		for _, f := range foreigners {
			if !s.reads(f.flags, own) {
				s.wantRefused(
					fmt.Sprintf("%s with the flags of %s", show(v), f.name),
					encoded{e.data, f.flags},
				)
			}
		}
		if e.flags&core.FlagZlib == 0 {
			s.wantRefused(
				show(v)+", which is not compressed",
				encoded{e.data, e.flags | core.FlagZlib},
			)
		}
		s.wantRefused(show(v)+" with another flag", encoded{e.data, e.flags | 1<<31})
	}
}

func foreignIsRefused[T any](s *suite[T]) {
	own := s.ownKinds()
	for i, f := range foreigners {
		flags := []uint32{f.flags}
		if works(s.codec, core.Traits{NoFlags: true}) == nil {
			flags = append(flags, 0)
		}
		for _, flags := range flags {
			for _, e := range []encoded{
				{[]byte(f.data), flags},
				{deflatedForeigners()[i], flags | core.FlagZlib},
			} {
				if s.reads(flags, own) {
					s.wantWhole(f.name, e)
				} else {
					s.wantRefused(f.name, e)
				}
			}
		}
	}
}
