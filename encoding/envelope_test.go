package encoding_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A tag is what Facts.Tags yields.
type tag struct {
	Name    string
	Version uint64
}

func tagsOf(f *encoding.Facts) []tag {
	var tags []tag
	for name, version := range f.Tags() {
		tags = append(tags, tag{string(name), version})
	}
	return tags
}

// facts returns f with tags.
func facts(f encoding.Facts, tags ...tag) encoding.Facts {
	for _, tag := range tags {
		f.AddTag(tag.Name, tag.Version)
	}
	return f
}

func sameFacts(a, b *encoding.Facts) bool {
	return a.Fresh.Equal(b.Fresh) && a.Took == b.Took && a.NotFound == b.NotFound &&
		a.Grace == b.Grace && slices.Equal(tagsOf(a), tagsOf(b))
}

var (
	moment   = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	allFacts = facts(encoding.Facts{Fresh: moment, Took: time.Second},
		tag{"user:1", 7}, tag{"", 0}, tag{"grüße", math.MaxUint64})
)

// Every kind of fact, alone and with others, with and without flags.
func TestFactsRoundTripWithTheirValue(t *testing.T) {
	longTag := tag{strings.Repeat("t", 300), 1 << 40}
	for name, f := range map[string]encoding.Facts{
		"none":             {},
		"fresh":            {Fresh: moment},
		"fresh until 1970": {Fresh: time.Unix(0, 0)},
		"earliest":         {Fresh: time.Unix(0, math.MinInt64)},
		"latest":           {Fresh: time.Unix(0, math.MaxInt64)},
		"other zone":       {Fresh: moment.In(time.FixedZone("", 3600))},
		"took":             {Took: 1},
		"took long":        {Took: math.MaxInt64},
		"grace":            {Grace: 1},
		"long grace":       {Fresh: moment, Took: math.MaxInt64, Grace: math.MaxInt64},
		"a tag":            facts(encoding.Facts{}, tag{"a", 1}),
		"a tag twice":      facts(encoding.Facts{}, tag{"a", 1}, tag{"a", 2}),
		"many tags":        facts(encoding.Facts{}, slices.Repeat([]tag{longTag}, 100)...),
		"all":              allFacts,
	} {
		for _, traits := range []core.Traits{{}, {NoFlags: true}} {
			codec := encoding.Envelope(encoding.Text(), traits)
			for _, value := range []string{"", "value", strings.Repeat("v", 5000)} {
				want := encoding.Enveloped[string]{Value: value, Facts: f}
				data, flags := encode(t, codec, want)
				wantFlags := core.FlagText | core.FlagEnvelope
				if name != "none" && flags != wantFlags {
					t.Errorf("%s: flags %d, want %d", name, flags, wantFlags)
				}
				if traits.NoFlags {
					flags = 0
				}
				got, err := codec.Decode(data, flags)
				if err != nil || got.Value != value || !sameFacts(&got.Facts, &f) {
					t.Errorf("%s, NoFlags %v: %.40q is decoded as %.40q with %v, %v",
						name, traits.NoFlags, value, got.Value, got.Facts, err)
				}
			}
		}
	}
}

// The expected envelope is put together by hand from the description of the format.
func TestAnEnvelopeHasTheDocumentedFormat(t *testing.T) {
	took := binary.AppendUvarint(nil, uint64(time.Second))
	fresh := binary.BigEndian.AppendUint64(nil, uint64(moment.UnixNano()))
	fields := "\x01\x08" + string(fresh) +
		"\x02" + string(rune(len(took))) + string(took) +
		"\x04\x1c" + "\x07\x06user:1" + "\x00\x00" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x07grüße"
	want := "\xf8cw\x01" + string(rune(len(fields))) + fields + "value"
	data, _ := encode(t, encoding.Envelope(encoding.Text(), core.Traits{}),
		encoding.Enveloped[string]{Value: "value", Facts: allFacts})
	if string(data) != want {
		t.Errorf("stored as %q, want %q", data, want)
	}
}

func TestGraceIsTheFifthField(t *testing.T) {
	data, _ := encode(t, encoding.Envelope(encoding.Text(), core.Traits{}),
		encoding.Enveloped[string]{Value: "value", Facts: encoding.Facts{Grace: 300}})
	if want := "\xf8cw\x01\x04\x05\x02\xac\x02value"; string(data) != want {
		t.Errorf("stored as %q, want %q", data, want)
	}
}

func TestAValueWithoutFactsHasNoEnvelope(t *testing.T) {
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope(encoding.JSON[user](), traits)
		data, flags := encode(t, codec, encoding.Enveloped[user]{Value: user{"Ann", 40}})
		plain, plainFlags := encode(t, encoding.JSON[user](), user{"Ann", 40})
		if string(data) != string(plain) || flags != plainFlags {
			t.Errorf("stored as %q with flags %d, want %q with %d",
				data, flags, plain, plainFlags)
		}
		for _, flags := range []uint32{flags, 0} {
			v, err := codec.Decode(plain, flags)
			if v.Value != (user{"Ann", 40}) || !sameFacts(&v.Facts, &encoding.Facts{}) ||
				err != nil {
				t.Errorf("Decode = %v, %v; want the user without facts", v, err)
			}
		}
	}
}

// The values begin like an envelope, or almost, or like one of a later version.
func TestAValueThatLooksLikeAnEnvelopeIsReadAsAValue(t *testing.T) {
	for _, value := range []string{
		"\xf8cw\x01\x00rest", "\xf8cw\x02", "\xf8cw", "\xf8c", "\xf8cw\x01\x02\x03\x00",
	} {
		for _, traits := range []core.Traits{{}, {NoFlags: true}} {
			codec := encoding.Envelope(encoding.Bytes(), traits)
			data, flags := encode(t, codec, encoding.Enveloped[[]byte]{Value: []byte(value)})
			if !traits.NoFlags && string(data) != value {
				t.Errorf("%q is stored as %q, want no change", value, data)
			}
			if flags != 0 {
				t.Errorf("%q is stored with flags %d, want 0", value, flags)
			}
			got, err := codec.Decode(data, flags)
			if string(got.Value) != value || !sameFacts(&got.Facts, &encoding.Facts{}) ||
				err != nil {
				t.Errorf("%q is decoded as %v, %v; want no facts", value, got, err)
			}
		}
	}
}

func TestNotFoundStoresNoValue(t *testing.T) {
	want := encoding.Facts{NotFound: true, Took: 5}
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope(encoding.Int[int](), traits)
		data, flags := encode(t, codec, encoding.Enveloped[int]{Value: 7, Facts: want})
		if flags != core.FlagEnvelope {
			t.Errorf("flags are %d, want %d", flags, core.FlagEnvelope)
		}
		if traits.NoFlags {
			flags = 0
		}
		got, err := codec.Decode(data, flags)
		if got.Value != 0 || !sameFacts(&got.Facts, &want) || err != nil {
			t.Errorf("Decode = %v, %v; want 0 with %v", got, err, want)
		}
		wantDecodeErr(t, encoding.Int[int](), string(data), flags, "")
	}
}

func TestOtherCodecsRefuseAnEnvelope(t *testing.T) {
	data, flags := encode(t, encoding.Envelope(encoding.Text(), core.Traits{}),
		encoding.Enveloped[string]{Value: "v", Facts: allFacts})
	wantDecodeErr(t, encoding.Text(), string(data), flags, "envelope")
	wantDecodeErr(t, encoding.Text(), string(data), 0, "UTF-8")
	wantDecodeErr(t, encoding.Compress(encoding.Text(), nil), string(data), flags, "envelope")
}

// Envelopes of another version, with an invalid field or with a truncated one are errors.
func TestEnvelopeSkipsUnknownFieldsAndRefusesDamage(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for _, data := range []string{
		"\xf8cw\x01\x00value",
		"\xf8cw\x01\x02\x06\x00value",
		"\xf8cw\x01\x05\x7f\x03abcvalue",
		"\xf8cw\x01\x05\xff\x01\x02abvalue",
		"\xf8cw\x01\x02\x04\x00value", // no tags
	} {
		got, err := codec.Decode([]byte(data), core.FlagEnvelope|core.FlagText)
		if got.Value != "value" || !sameFacts(&got.Facts, &encoding.Facts{}) || err != nil {
			t.Errorf("Decode(%q) = %v, %v; want the value without facts", data, got, err)
		}
	}
	for data, part := range map[string]string{
		"":                    "damaged",
		"value":               "damaged",
		"\xf8cw":              "damaged",
		"\xf8cw\x00\x00value": "version 0",
		"\xf8cw\x02\x00value": "version 2; this program reads version 1",

		// The length of the fields is missing or wrong.
		"\xf8cw\x01":          "damaged",
		"\xf8cw\x01\x01":      "damaged",
		"\xf8cw\x01\xff":      "damaged",
		"\xf8cw\x01\x06value": "damaged",
		"\xf8cw\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01value": "damaged",
		"\xf8cw\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02value": "damaged",

		// A field has no length, is longer than the fields, or has no number.
		"\xf8cw\x01\x01\x05value":     "damaged",
		"\xf8cw\x01\x02\x05\x01value": "damaged",
		"\xf8cw\x01\x01\xffvalue":     "damaged",

		// Fresh has no time, or one of nine bytes.
		"\xf8cw\x01\x02\x01\x00value":          "damaged",
		"\xf8cw\x01\x0b\x01\x09123456789value": "damaged",

		// Took has no number, has two, or has a negative one.
		"\xf8cw\x01\x02\x02\x00value":                                         "damaged",
		"\xf8cw\x01\x04\x02\x02\x01\x01value":                                 "damaged",
		"\xf8cw\x01\x0c\x02\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01value": "damaged",

		// Grace has no number, or has two.
		"\xf8cw\x01\x02\x05\x00value":         "damaged",
		"\xf8cw\x01\x04\x05\x02\x01\x01value": "damaged",

		// NotFound has a content.
		"\xf8cw\x01\x03\x03\x01xvalue": "damaged",

		// A tag has no name, a truncated name, or a truncated version.
		"\xf8cw\x01\x03\x04\x01\x01value":     "damaged",
		"\xf8cw\x01\x04\x04\x02\x01\x01value": "damaged",
		"\xf8cw\x01\x03\x04\x01\xffvalue":     "damaged",
	} {
		got, err := codec.Decode([]byte(data), core.FlagEnvelope|core.FlagText)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Decode(%q) = %v, %v; want an error with %q", data, got, err, part)
		}
		if got.Value != "" || !sameFacts(&got.Facts, &encoding.Facts{}) {
			t.Errorf("Decode(%q) returns %v with the error", data, got)
		}
	}
}

func TestEnvelopeRefusesInvalidFactsAndValues(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for _, tt := range []struct {
		facts encoding.Facts
		part  string
	}{
		{encoding.Facts{Took: -1}, "Took is negative, want 0 or more"},
		{encoding.Facts{Grace: -1}, "Grace is negative, want 0 or more"},
		{encoding.Facts{Fresh: time.Unix(0, math.MinInt64).Add(-1)},
			"Facts.Fresh is 1677-09-21T00:12:43.145224191Z, " +
				"want 1677-09-21T00:12:43.145224192Z to"},
		{encoding.Facts{Fresh: time.Unix(0, math.MaxInt64).Add(1)},
			"Facts.Fresh is 2262-04-11T23:47:16.854775808Z, want"},
		{encoding.Facts{Fresh: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}, "Fresh is 2300-01-01"},
	} {
		wantAppendErr(t, codec, encoding.Enveloped[string]{Value: "v", Facts: tt.facts}, tt.part)
	}
	wantAppendErr(t, codec, encoding.Enveloped[string]{Value: "\xff", Facts: allFacts}, "UTF-8")
	twice := encoding.Envelope(codec, core.Traits{})
	wantAppendErr(t, twice, encoding.Enveloped[encoding.Enveloped[string]]{
		Value: encoding.Enveloped[string]{Facts: allFacts},
		Facts: allFacts,
	}, "already")
}

func TestAddTagDoesNotChangeCopies(t *testing.T) {
	first := facts(encoding.Facts{}, tag{"a", 1}, tag{"b", 2}, tag{"c", 3})
	second := first
	first.AddTag("first", 1)
	second.AddTag("second", 2)
	if got := tagsOf(&first); got[3] != (tag{"first", 1}) {
		t.Errorf("the tags of the first are %v", got)
	}
	if got := tagsOf(&second); got[3] != (tag{"second", 2}) {
		t.Errorf("the tags of the second are %v", got)
	}
	// Tags that were decoded refer to the bytes of the cache.
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	data, flags := encode(t, codec, encoding.Enveloped[string]{Value: "value", Facts: first})
	stored := string(data)
	v, err := codec.Decode(data, flags)
	if err != nil {
		t.Fatal(err)
	}
	v.Facts.AddTag("more", 9)
	if string(data) != stored {
		t.Errorf("the stored value has changed to %q", data)
	}
	for range v.Facts.Tags() {
		break // the loop may end early
	}
}

func TestNewTypedRefusesAnEnvelopeThatNeedsFlags(t *testing.T) {
	c, noFlags := newCache(t, false), core.Traits{NoFlags: true}
	for _, tt := range []struct {
		codec  core.Codec[string]
		traits core.Traits // the argument of Envelope
		want   error
	}{
		{encoding.Text(), noFlags, nil},
		{encoding.Compress(encoding.Text(), nil), noFlags, errors.ErrUnsupported},
		// It would return envelopes as values.
		{encoding.Text(), core.Traits{}, errors.ErrUnsupported},
		{nil, noFlags, core.ErrConfig},
	} {
		_, err := core.NewTyped(c, encoding.Envelope(tt.codec, tt.traits))
		if !errors.Is(err, tt.want) {
			t.Errorf("%T with %+v: error is %v, want %v", tt.codec, tt.traits, err, tt.want)
		}
	}
}

func TestAbsentFactsTakeNoSpace(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for want, facts := range map[string]encoding.Facts{
		"":                                {},
		"\xf8cw\x01\x02\x03\x00":          {NotFound: true},
		"\xf8cw\x01\x03\x02\x01\x05":      {Took: 5},
		"\xf8cw\x01\x05\x04\x03\x07\x01t": facts(encoding.Facts{}, tag{"t", 7}),
	} {
		data, _ := encode(t, codec, encoding.Enveloped[string]{Facts: facts})
		if string(data) != want {
			t.Errorf("%v are stored as %q, want %q", facts, data, want)
		}
	}
}

func TestEnvelopeRefusesACodecThatDoesNotAppend(t *testing.T) {
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope[string](staticCodec{[]byte("abc")}, traits)
		v := encoding.Enveloped[string]{Value: "v"}
		_, _, err := codec.Append(make([]byte, 10), v)
		if err == nil || !strings.Contains(err.Error(), "must append") {
			t.Errorf("error is %v, want one with %q", err, "must append")
		}
	}
}

func TestDecodeReturnsNoFactsWithAnError(t *testing.T) {
	codec := encoding.Envelope(encoding.Int[int](), core.Traits{})
	data, flags := encode(t, codec, encoding.Enveloped[int]{Value: 7, Facts: allFacts})
	v, err := codec.Decode(append(data, 'x'), flags)
	if err == nil || !sameFacts(&v.Facts, &encoding.Facts{}) {
		t.Errorf("Decode = %v, %v; want an error without facts", v, err)
	}
}

func TestEnvelopeDoesNotCompressFacts(t *testing.T) {
	codec := encoding.Envelope(encoding.Compress(encoding.Text(), nil), core.Traits{})
	want := encoding.Enveloped[string]{Value: strings.Repeat("x", 5000), Facts: allFacts}
	data, flags := encode(t, codec, want)
	if flags != core.FlagEnvelope|core.FlagZlib|core.FlagText || len(data) > 300 {
		t.Errorf("stored as %d bytes with flags %d, want the flags of an envelope and of zlib",
			len(data), flags)
	}
	got, err := codec.Decode(data, flags)
	if got.Value != want.Value || !sameFacts(&got.Facts, &want.Facts) || err != nil {
		t.Errorf("Decode = %.20q, %v; want the value with all facts", got.Value, err)
	}
}
