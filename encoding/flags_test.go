package encoding_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Flags that only programs in other languages write.
const (
	flagPickle = 1
	flagLong   = 4
)

// The results of Python's zlib.compress for "grüße" in UTF-8, and for 1234567890 three
// times.
var (
	pythonGreeting = unhex("789c4b2f3abce7f0fc5400102f0420")
	pythonDigits   = unhex("789c33343236313533b7b03430c4c202005f0a0628")
)

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Every kind of value that python-memcached and pylibmc write, except pickles.
func TestCodecsReadValuesWrittenByPython(t *testing.T) {
	t.Run("int", func(t *testing.T) {
		for _, flags := range []uint32{core.FlagInt, flagLong} {
			for data, want := range map[string]int64{
				"42": 42, "-7": -7, "1": 1, "99 ": 99, "9   ": 9,
			} {
				v, err := encoding.Int[int64]().Decode([]byte(data), flags)
				if v != want || err != nil {
					t.Errorf("Decode(%q, %d) = %d, %v; want %d", data, flags, v, err, want)
				}
			}
		}
	})
	t.Run("str", func(t *testing.T) {
		for data, flags := range map[string]uint32{
			"grüße":        core.FlagText,
			pythonGreeting: core.FlagText | core.FlagZlib,
		} {
			if v, err := encoding.Text().Decode([]byte(data), flags); v != "grüße" || err != nil {
				t.Errorf("Decode(%q, %d) = %q, %v; want %q", data, flags, v, err, "grüße")
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		for data, flags := range map[string]uint32{
			"grüße":        core.FlagBytes,
			pythonGreeting: core.FlagZlib,
		} {
			v, err := encoding.Bytes().Decode([]byte(data), flags)
			if string(v) != "grüße" || err != nil {
				t.Errorf("Decode(%q, %d) = %q, %v; want %q", data, flags, v, err, "grüße")
			}
		}
	})
	t.Run("compressed", func(t *testing.T) {
		for _, flags := range []uint32{core.FlagInt, flagLong} {
			_, err := encoding.Int[int64]().Decode([]byte(pythonDigits), flags|core.FlagZlib)
			// The 30 digits are a number, but too large a one.
			if err == nil || !strings.Contains(err.Error(), "does not fit") {
				t.Errorf("Int with flags %d: error is %v, want one with %q",
					flags, err, "does not fit")
			}
		}
		v, err := encoding.JSON[float64]().
			Decode([]byte(pythonDigits), core.FlagText|core.FlagZlib)
		if v != 123456789012345678901234567890 || err != nil {
			t.Errorf("JSON: Decode = %v, %v", v, err)
		}
	})
}

// Each codec with each kind of value, and pickles with other flags added.
func TestErrorsNameTheKindOfTheValue(t *testing.T) {
	const pickle = "\x80\x04\x88." // Python's True
	integers := []uint32{core.FlagBytes, core.FlagInt, flagLong}
	for _, tt := range []struct {
		name   string
		decode func(data string, flags uint32) error
		reads  []uint32
	}{
		{"Bytes", decoder(encoding.Bytes()), []uint32{core.FlagBytes}},
		{"Text", decoder(encoding.Text()), []uint32{core.FlagBytes, core.FlagText}},
		{"Int", decoder(encoding.Int[int]()), integers},
		{"JSON", decoder(encoding.JSON[int]()), []uint32{core.FlagBytes, core.FlagText}},
		{"Gob", decoder(encoding.Gob[int]()), []uint32{core.FlagBytes, encoding.FlagGob}},
		{"Compress", decoder(encoding.Compress(encoding.Int[int](), nil)), integers},
		{"Envelope", decoder(encoding.Envelope(encoding.Int[int](), core.Traits{})), integers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := "7"
			if tt.name == "Gob" {
				data = checked("\x03\x04\x00\x0e") // a message of 3 bytes: type 2 (int), 0, 7
			}
			for flags, part := range map[uint32]string{
				core.FlagBytes:                 "is bytes",
				core.FlagInt:                   "is an integer",
				flagLong:                       "is an integer",
				core.FlagText:                  "is text",
				flagPickle:                     "pickle",
				32:                             "of an unknown kind (flags",
				core.FlagText | core.FlagInt:   "of an unknown kind (flags",
				core.FlagInt | flagPickle:      "of an unknown kind (flags",
				core.FlagEnvelope:              "envelope",
				core.FlagEnvelope | flagPickle: "envelope",
				encoding.FlagGob:               "a gob",
				encoding.FlagMsgPack:           "MessagePack",
				encoding.FlagCBOR:              "CBOR",
				encoding.FlagProtobuf:          "Protocol Buffers",
				encoding.FlagEncrypted:         "encrypted",
				encoding.FlagSigned:            "signed",
				15 << 24:                       "of an unknown kind (flags",
				1 << 31:                        "of an unknown kind (flags",
			} {
				for data, flags := range map[string]uint32{
					data:             flags,
					deflate(t, data): flags | core.FlagZlib,
				} {
					switch err := tt.decode(data, flags); {
					case slices.Contains(tt.reads, flags&^core.FlagZlib):
						if err != nil {
							t.Errorf("flags %d: error is %v, want none", flags, err)
						}
					case err == nil || !strings.Contains(err.Error(), part):
						t.Errorf("flags %d: error is %v, want one with %q", flags, err, part)
					}
				}
			}
			err := tt.decode(pickle, flagPickle)
			if err == nil || !strings.Contains(err.Error(), "pickle") {
				t.Errorf("a pickle: error is %v, want one with %q", err, "pickle")
			}
		})
	}
}

func decoder[T any](codec core.Codec[T]) func(string, uint32) error {
	return func(data string, flags uint32) error {
		_, err := codec.Decode([]byte(data), flags)
		return err
	}
}

func TestPlainReturnsOnlyValuesOfTheGivenKinds(t *testing.T) {
	for _, tt := range []struct {
		flags uint32
		kinds []uint32
		want  string // a part of the error
	}{
		{0, nil, ""},
		{0, []uint32{32}, ""},
		{32, []uint32{16, 32}, ""},
		{32, nil, ", want bytes"},
		{16, []uint32{2}, "is text, want an integer or bytes"},
		{2, []uint32{16}, "is an integer, want text or bytes"},
		{16, []uint32{2, 4}, "is text, want an integer or bytes"},
	} {
		_, err := encoding.Plain(nil, tt.flags, tt.kinds...)
		if tt.flags == 32 && err != nil && !strings.Contains(err.Error(), "(flags 0x20)") {
			t.Errorf("the error does not have the flags: %v", err)
		}
		for data, flags := range map[string]uint32{
			"data":             tt.flags,
			deflate(t, "data"): tt.flags | core.FlagZlib,
		} {
			got, err := encoding.Plain([]byte(data), flags, tt.kinds...)
			if tt.want == "" {
				if string(got) != "data" || err != nil {
					t.Errorf("Plain(%.10q, %d, %v) = %q, %v", data, flags, tt.kinds, got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) || got != nil {
				t.Errorf("Plain(%.10q, %d, %v) = %q, %v; want an error with %q",
					data, flags, tt.kinds, got, err, tt.want)
			}
		}
	}
}
