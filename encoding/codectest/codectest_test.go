package codectest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// maxSize is the limit that the codec of these tests documents.
const maxSize = 50_000

// notes is the configuration of a codec without a fault, with plant applied to it.
func notes(plant func(m *mutant)) Config[note] {
	seven := 7
	full := note{"Ann", []string{"a", "b"}, &seven}
	type longer struct {
		Name, More string
		Tags       []string
	}
	return Config[note]{
		New: func() core.Codec[note] {
			m := &mutant{Codec: encoding.Compress(encoding.JSON[note](), &encoding.CompressOptions{
				Threshold: encoding.Never, MaxSize: maxSize})}
			plant(m)
			return m
		},
		Values:  []note{full, {Name: "Bob", Tags: []string{}}},
		Refused: []note{{Name: "\xff\xff\xff"}},
		Versions: []Version[note]{
			Written(encoding.JSON[longer](), longer{"Ann", "more", []string{"a"}},
				note{Name: "Ann", Tags: []string{"a"}}),
			Written(encoding.JSON[struct{ Name string }](), struct{ Name string }{"Ann"},
				note{Name: "Ann"}),
		},
		MaxSize: maxSize,
	}
}

// failing returns the IDs of the rules that the codec of cfg breaks.
func failing[T any](cfg Config[T]) (ids []string) {
	for _, r := range rules[T]() {
		if len(r.failures(cfg)) != 0 {
			ids = append(ids, r.id)
		}
	}
	return ids
}

func TestACodecWithoutFaultsPasses(t *testing.T) {
	Run(t, notes(func(*mutant) {}))
}

func TestEachMutantBreaksTheRulesMeantForIt(t *testing.T) {
	for _, p := range faults {
		t.Run(p.fault, func(t *testing.T) {
			for _, r := range rules[note]() {
				if !slices.Contains(strings.Fields(p.rules), r.id) {
					continue
				}
				if len(r.failures(notes(p.plant))) == 0 {
					t.Errorf("%s passes", r.id)
				}
			}
		})
	}
}

func TestEveryRuleFindsAFault(t *testing.T) {
	found := map[string]bool{"key": true} // see TestAKeyedCodecMustBindItsValues
	for _, p := range faults {
		for _, id := range strings.Fields(p.rules) {
			found[id] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range rules[note]() {
		if !found[r.id] {
			t.Errorf("%s: no mutant breaks it", r.id)
		}
		if seen[r.id] || !strings.HasSuffix(r.rule, ".") {
			t.Errorf("rule %q, %q: want a unique ID and a sentence", r.id, r.rule)
		}
		seen[r.id], found[r.id] = true, false
	}
	for id, unknown := range found {
		if unknown {
			t.Errorf("there is no rule %s", id)
		}
	}
}

// A keyed stores a text after its key.
type keyed struct {
	ignoresKey bool
	decodes    bool // without a key
	appends    bool // without a key
}

var errNoKey = errors.New("no key")

func (k keyed) Append(dst []byte, v string) ([]byte, uint32, error) {
	if k.appends {
		return k.AppendKey(dst, "", v)
	}
	return dst, 0, errNoKey
}

func (k keyed) Decode(data []byte, flags uint32) (string, error) {
	if k.decodes {
		return k.DecodeKey(data, flags, key)
	}
	return "", errNoKey
}

func (keyed) AppendKey(dst []byte, key, v string) ([]byte, uint32, error) {
	return append(append(append(dst, key...), '/'), v...), 7 << 24, nil
}

func (k keyed) DecodeKey(data []byte, flags uint32, key string) (string, error) {
	own, v, ok := bytes.Cut(data, []byte("/"))
	if !ok || string(own) != key && !k.ignoresKey || flags != 7<<24 && flags != 0 {
		return "", errBad
	}
	return string(v), nil
}

func TestAKeyedCodecMustBindItsValues(t *testing.T) {
	for _, tt := range []struct {
		codec keyed
		want  []string
	}{
		{keyed{}, nil},
		{keyed{ignoresKey: true}, []string{"key"}},
		{keyed{decodes: true}, []string{"key"}},
		{keyed{appends: true}, []string{"key"}},
	} {
		got := failing(Config[string]{
			New:    func() core.Codec[string] { return tt.codec },
			Values: []string{"", "text"},
			Bare:   true,
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v breaks %v, want %v", tt.codec, got, tt.want)
		}
	}
}

// A blob is a codec of bytes with a choice of faults.
type blob struct {
	core.Codec[[]byte]
	returnsValue bool
	hasRoom      bool
}

func (b blob) Append(dst, v []byte) ([]byte, uint32, error) {
	if b.returnsValue && len(dst) == 0 {
		return v, 0, nil
	}
	return b.Codec.Append(dst, v)
}

func (b blob) Decode(data []byte, flags uint32) ([]byte, error) {
	v, err := b.Codec.Decode(data, flags)
	if b.hasRoom && err == nil && len(v) != 0 {
		v = append(make([]byte, 0, 100), v...)
	}
	return v, err
}

// The configuration has the promises of Bytes. Without one of them, the suite fails.
func TestTheConfigurationSaysWhatTheFormatPromises(t *testing.T) {
	promises := Config[[]byte]{
		New:    func() core.Codec[[]byte] { return blob{Codec: encoding.Bytes()} },
		Values: [][]byte{[]byte("bytes"), []byte("more bytes")},
		Bare:   true, Aliases: true, NilIsEmpty: true,
	}
	for _, tt := range []struct {
		name   string
		change func(c *Config[[]byte])
		want   []string
	}{
		{"all promises", func(*Config[[]byte]) {}, nil},
		{"not bare", func(c *Config[[]byte]) { c.Bare = false },
			[]string{"concurrent", "cut", "extended"}},
		{"no aliases", func(c *Config[[]byte]) { c.Aliases = false }, []string{"decode-keeps"}},
		{"nil is not empty", func(c *Config[[]byte]) { c.NilIsEmpty = false },
			[]string{"zero", "cut"}},
		{"sealed", func(c *Config[[]byte]) { c.Sealed = true }, []string{"mutated"}},
		{"Append returns the value itself", func(c *Config[[]byte]) {
			c.New = func() core.Codec[[]byte] { return blob{encoding.Bytes(), true, false} }
		}, []string{"append-keeps"}},
		{"append writes to the input", func(c *Config[[]byte]) {
			c.New = func() core.Codec[[]byte] { return blob{encoding.Bytes(), false, true} }
		}, []string{"decode-keeps"}},
		{"all values are equal", func(c *Config[[]byte]) {
			c.Equal = func(x, y []byte) bool { return true }
		}, nil},
		{"no values are equal", func(c *Config[[]byte]) {
			c.Equal = func(x, y []byte) bool { return false }
		}, []string{"equal", "zero", "no-flags", "concurrent", "append", "append-keeps",
			"decode-keeps",
			"cut", "extended", "mutated", "foreign"}},
	} {
		cfg := promises
		tt.change(&cfg)
		if got := failing(cfg); !slices.Equal(got, tt.want) {
			t.Errorf("%s: breaks %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The modules of other codecs test their values.
func TestForeignersAreValuesOfTheirCodecs(t *testing.T) {
	type of map[string]string
	encode := func(codec func() (data []byte, flags uint32, err error)) foreign {
		data, flags, err := codec()
		if err != nil {
			t.Fatal(err)
		}
		return foreign{"", string(data), flags}
	}
	for name, got := range map[string]foreign{
		"Text": encode(func() ([]byte, uint32, error) {
			return encoding.Text().Append(nil, "grüße")
		}),
		"Int": encode(func() ([]byte, uint32, error) {
			return encoding.Int[int]().Append(nil, 53)
		}),
		"JSON": encode(func() ([]byte, uint32, error) {
			return encoding.JSON[of]().Append(nil, of{"codectest": "foreign"})
		}),
		"Gob of 53": encode(func() ([]byte, uint32, error) {
			return encoding.Gob[int]().Append(nil, 53)
		}),
		"an envelope": encode(func() ([]byte, uint32, error) {
			return encoding.Envelope(encoding.Text(), core.Traits{}).Append(nil,
				encoding.Enveloped[string]{Facts: encoding.Facts{NotFound: true}})
		}),
		"an envelope with text": encode(func() ([]byte, uint32, error) {
			return encoding.Envelope(encoding.Text(), core.Traits{}).Append(nil,
				encoding.Enveloped[string]{Value: "text", Facts: encoding.Facts{Took: 7}})
		}),
	} {
		i := slices.IndexFunc(foreigners, func(f foreign) bool { return f.name == name })
		if i < 0 || foreigners[i].data != got.data || foreigners[i].flags != got.flags {
			t.Errorf(
				"%s: the codec writes %q with %#x, which is not in foreigners",
				name,
				got.data,
				got.flags,
			)
		}
	}
}
