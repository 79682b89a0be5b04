package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/cbor"
	"github.com/cachewire/cachewire/encoding/msgpack"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// kindsHelp is the usage of the flag -as of commands that print values.
const kindsHelp = "read the value as this `kind`: auto (what its flags say), raw (the stored " +
	"bytes), bytes (decompressed), text, int, json, msgpack or cbor"

// A value is a stored value, decompressed and out of its envelope.
type value struct {
	kind  string // "bytes", "text", "int", "json", "msgpack", "cbor", "raw"
	data  []byte // of msgpack and cbor: its JSON
	flags uint32 // those of the kind, without those of a compression or an envelope
	facts encoding.Facts
}

// A stored is what storedCodec reads.
type stored struct {
	data  []byte
	flags uint32
}

// A storedCodec reads what is left when compression and envelope are removed, of any kind.
type storedCodec struct{}

func (storedCodec) Append([]byte, stored) ([]byte, uint32, error) {
	return nil, 0, errors.ErrUnsupported
}

func (storedCodec) Decode(data []byte, flags uint32) (stored, error) {
	kind := flags &^ core.FlagZlib
	data, err := encoding.Plain(data, flags, kind)
	return stored{data, kind}, err
}

// opened returns what item holds, decompressed and out of its envelope.
func opened(item core.Item) (value, error) {
	codec := encoding.Compress[stored](storedCodec{}, &encoding.CompressOptions{With: zstd.New()})
	if item.Flags&core.FlagEnvelope == 0 {
		s, err := codec.Decode(item.Value, item.Flags)
		return value{data: s.data, flags: s.flags}, err
	}
	e, err := encoding.Envelope(codec, core.Traits{}).Decode(item.Value, item.Flags)
	return value{data: e.Value.data, flags: e.Value.flags, facts: e.Facts}, err
}

// readValue returns the value of item as the kind says: a word of kindsHelp.
func readValue(item core.Item, as string) (value, error) {
	if as == "raw" {
		return value{kind: as, data: item.Value, flags: item.Flags}, nil
	}
	v, err := opened(item)
	if err != nil {
		return v, fmt.Errorf("%w; -as raw prints the stored bytes", err)
	}
	if v.kind = as; as == "auto" {
		if v.kind, err = kindOf(v.flags); err != nil {
			return v, err
		}
	}
	switch v.kind {
	case "text":
		if !utf8.Valid(v.data) {
			err = errors.New("it is not UTF-8")
		}
	case "int":
		v.data, err = decimal(v.data)
	case "json":
		if !json.Valid(v.data) {
			err = errors.New("it is not JSON")
		}
	case "msgpack":
		v.data, err = asJSON(msgpack.Codec[any](), v.data, encoding.FlagMsgPack)
	case "cbor":
		v.data, err = asJSON(cbor.Codec[any](), v.data, encoding.FlagCBOR)
	}
	if err != nil {
		return v, fmt.Errorf("the value cannot be read as %s: %w", v.kind, err)
	}
	return v, nil
}

// checkKind returns an error if as is not one of the kinds.
func checkKind(as string, kinds ...string) error {
	for _, kind := range kinds {
		if as == kind {
			return nil
		}
	}
	return wrongUse("-as is %q; want one of %s", as, strings.Join(kinds, ", "))
}

var readKinds = []string{"auto", "raw", "bytes", "text", "int", "json", "msgpack", "cbor"}

// kindOf returns the kind of value that flags say.
func kindOf(flags uint32) (string, error) {
	switch flags {
	case core.FlagBytes:
		return "bytes", nil
	case core.FlagText:
		return "text", nil
	case core.FlagInt, 4: // 4 is an integer of pylibmc
		return "int", nil
	case encoding.FlagMsgPack:
		return "msgpack", nil
	case encoding.FlagCBOR:
		return "cbor", nil
	}
	what := fmt.Sprintf("a value with the flags %d", flags)
	switch flags {
	case 1:
		what = "a Python pickle"
	case encoding.FlagGob:
		what = "a gob"
	case encoding.FlagProtobuf:
		what = "a message of Protocol Buffers"
	case encoding.FlagEncrypted:
		what = "an encrypted value"
	case encoding.FlagSigned:
		what = "a signed value"
	}
	return "", fmt.Errorf("%s can only be read by the program that stored it; "+
		"-as bytes prints its bytes", what)
}

// decimal returns the digits of an integer. Spaces may follow them: memcached does not
// shorten a counter.
func decimal(data []byte) ([]byte, error) {
	digits := bytes.TrimRight(data, " ")
	_, err := strconv.ParseInt(string(digits), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		_, err = strconv.ParseUint(string(digits), 10, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: want decimal digits", err)
	}
	return digits, nil
}

func asJSON(codec core.Codec[any], data []byte, flags uint32) ([]byte, error) {
	v, err := codec.Decode(data, flags)
	if err != nil {
		return nil, err
	}
	return json.Marshal(jsonable(v))
}

// jsonable returns v in the types that package json encodes.
func jsonable(v any) any {
	switch v := v.(type) {
	case map[any]any:
		object := make(map[string]any, len(v))
		for key, element := range v {
			object[fmt.Sprint(key)] = jsonable(element)
		}
		return object
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, element := range v {
			object[key] = jsonable(element)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = jsonable(element)
		}
		return list
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return v
}

// writeKinds are the kinds that encode takes.
var writeKinds = []string{"bytes", "text", "int", "json", "msgpack", "cbor"}

// encode returns the stored form of a value of the command line. For msgpack and cbor,
// data is JSON.
func encode(data []byte, as string) ([]byte, uint32, error) {
	fail := func(what string) ([]byte, uint32, error) {
		return nil, 0, wrongUse("with -as %s, the value must be %s", as, what)
	}
	switch as {
	case "text":
		if !utf8.Valid(data) {
			return fail("UTF-8")
		}
		return data, core.FlagText, nil
	case "int":
		data = bytes.TrimSpace(data)
		if _, err := decimal(data); err != nil {
			return fail("an integer")
		}
		return data, core.FlagInt, nil
	case "json":
		if !json.Valid(data) {
			return fail("JSON")
		}
		return data, core.FlagText, nil
	case "msgpack", "cbor":
		v, err := fromJSON(data)
		if err != nil {
			return fail("JSON, which is then encoded")
		}
		if as == "msgpack" {
			return msgpack.Codec[any]().Append(nil, v)
		}
		return cbor.Codec[any]().Append(nil, v)
	}
	return data, core.FlagBytes, nil
}

// fromJSON returns the one JSON value in data. Integers are int64 or uint64.
func fromJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return numbers(v)
}

// numbers replaces every json.Number in v by a number.
func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		for key, element := range v {
			if v[key], err = numbers(element); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, element := range v {
			if v[i], err = numbers(element); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n, nil
		}
		return v.Float64()
	}
	return v, nil
}
