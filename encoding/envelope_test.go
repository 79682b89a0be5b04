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

// facts answers Facts with tags.
func facts(f encoding.Facts, tags ...tag) encoding.Facts {
	for _, tag := range tags {
		f.AddTag(tag.Name, tag.Version)
	}
	return f
}

func sameFacts(a, b *encoding.Facts) bool {
	return a.Fresh.Equal(b.Fresh) && a.Took == b.Took && a.NotFound == b.NotFound && slices.Equal(tagsOf(a), tagsOf(b))
}

var (
	moment   = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	allFacts = facts(encoding.Facts{Fresh: moment, Took: time.Second}, tag{"user:1", 7}, tag{"", 0}, tag{"grüße", math.MaxUint64})
)

// Every kind of fact, alone and with others, kept with and without flags.
func TestFactsComeBackWithTheirValue(t *testing.T) {
	for name, f := range map[string]encoding.Facts{
		"none":           {},
		"fresh":          {Fresh: moment},
		"fresh until 70": {Fresh: time.Unix(0, 0)},
		"long ago":       {Fresh: time.Unix(0, math.MinInt64)},
		"in long":        {Fresh: time.Unix(0, math.MaxInt64)},
		"elsewhere":      {Fresh: moment.In(time.FixedZone("", 3600))},
		"took":           {Took: 1},
		"took long":      {Took: math.MaxInt64},
		"a tag":          facts(encoding.Facts{}, tag{"a", 1}),
		"a tag twice":    facts(encoding.Facts{}, tag{"a", 1}, tag{"a", 2}),
		"many tags":      facts(encoding.Facts{}, slices.Repeat([]tag{{strings.Repeat("t", 300), 1 << 40}}, 100)...),
		"all":            allFacts,
	} {
		for _, traits := range []core.Traits{{}, {NoFlags: true}} {
			codec := encoding.Envelope(encoding.Text(), traits)
			for _, value := range []string{"", "value", strings.Repeat("v", 5000)} {
				data, flags := encode(t, codec, encoding.Enveloped[string]{Value: value, Facts: f})
				if wantFlags := core.FlagText | core.FlagEnvelope; name != "none" && flags != wantFlags {
					t.Errorf("%s: flags %d, want %d", name, flags, wantFlags)
				}
				if traits.NoFlags {
					flags = 0
				}
				got, err := codec.Decode(data, flags)
				if err != nil || got.Value != value || !sameFacts(&got.Facts, &f) {
					t.Errorf("%s, %v: %.40q comes back as %.40q with %v, %v", name, traits.NoFlags, value, got.Value, got.Facts, err)
				}
			}
		}
	}
}

// As package encoding's documentation of the format says, put together by hand.
func TestTheFormOfAnEnvelope(t *testing.T) {
	took := binary.AppendUvarint(nil, uint64(time.Second))
	fields := "\x01\x08" + string(binary.BigEndian.AppendUint64(nil, uint64(moment.UnixNano()))) +
		"\x02" + string(rune(len(took))) + string(took) +
		"\x04\x1c" + "\x07\x06user:1" + "\x00\x00" + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x07grüße"
	want := "\xf8cw\x01" + string(rune(len(fields))) + fields + "value"
	data, _ := encode(t, encoding.Envelope(encoding.Text(), core.Traits{}), encoding.Enveloped[string]{Value: "value", Facts: allFacts})
	if string(data) != want {
		t.Errorf("it is %q, want %q", data, want)
	}
}

func TestAValueWithoutFactsIsThePlainValue(t *testing.T) {
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope(encoding.JSON[user](), traits)
		data, flags := encode(t, codec, encoding.Enveloped[user]{Value: user{"Ann", 40}})
		plain, plainFlags := encode(t, encoding.JSON[user](), user{"Ann", 40})
		if string(data) != string(plain) || flags != plainFlags {
			t.Errorf("stored as %q with flags %d, want %q with %d", data, flags, plain, plainFlags)
		}
		for _, flags := range []uint32{flags, 0} {
			v, err := codec.Decode(plain, flags)
			if v.Value != (user{"Ann", 40}) || !sameFacts(&v.Facts, &encoding.Facts{}) || err != nil {
				t.Errorf("read as %v, %v", v, err)
			}
		}
	}
}

// Values that begin as an envelope does, or nearly so, or as one of a later
// version.
func TestAValueThatLooksLikeAnEnvelopeIsNone(t *testing.T) {
	for _, value := range []string{"\xf8cw\x01\x00rest", "\xf8cw\x02", "\xf8cw", "\xf8c", "\xf8cw\x01\x02\x03\x00"} {
		for _, traits := range []core.Traits{{}, {NoFlags: true}} {
			codec := encoding.Envelope(encoding.Bytes(), traits)
			data, flags := encode(t, codec, encoding.Enveloped[[]byte]{Value: []byte(value)})
			if !traits.NoFlags && string(data) != value {
				t.Errorf("%q is stored as %q", value, data)
			}
			if flags != 0 {
				t.Errorf("%q is stored with flags %d", value, flags)
			}
			got, err := codec.Decode(data, flags)
			if string(got.Value) != value || !sameFacts(&got.Facts, &encoding.Facts{}) || err != nil {
				t.Errorf("%q comes back as %v, %v", value, got, err)
			}
		}
	}
}

func TestNotFoundIsNoValue(t *testing.T) {
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope(encoding.Int[int](), traits)
		data, flags := encode(t, codec, encoding.Enveloped[int]{Value: 7, Facts: encoding.Facts{NotFound: true, Took: 5}})
		if flags != core.FlagEnvelope {
			t.Errorf("flags %d", flags)
		}
		if traits.NoFlags {
			flags = 0
		}
		got, err := codec.Decode(data, flags)
		if got.Value != 0 || !sameFacts(&got.Facts, &encoding.Facts{NotFound: true, Took: 5}) || err != nil {
			t.Errorf("comes back as %v, %v", got, err)
		}
		wantDecodeErr(t, encoding.Int[int](), string(data), flags, "")
	}
}

func TestACodecDoesNotTakeAnEnvelopeForAValue(t *testing.T) {
	data, flags := encode(t, encoding.Envelope(encoding.Text(), core.Traits{}), encoding.Enveloped[string]{Value: "v", Facts: allFacts})
	wantDecodeErr(t, encoding.Text(), string(data), flags, "envelope")
	wantDecodeErr(t, encoding.Text(), string(data), 0, "UTF-8")
	wantDecodeErr(t, encoding.Compress(encoding.Text(), nil), string(data), flags, "envelope")
}

// Fields that this version does not know are passed over; another version, a
// field that is not as it should be, and one that is cut off are errors.
func TestOtherEnvelopes(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for _, data := range []string{
		"\xf8cw\x01\x00value",
		"\xf8cw\x01\x02\x05\x00value",
		"\xf8cw\x01\x05\x7f\x03abcvalue",
		"\xf8cw\x01\x05\xff\x01\x02abvalue",
		"\xf8cw\x01\x02\x04\x00value", // no tags
	} {
		got, err := codec.Decode([]byte(data), core.FlagEnvelope|core.FlagText)
		if got.Value != "value" || !sameFacts(&got.Facts, &encoding.Facts{}) || err != nil {
			t.Errorf("%q is %v, %v", data, got, err)
		}
	}
	for data, part := range map[string]string{
		"":                    "damaged",
		"value":               "damaged",
		"\xf8cw":              "damaged",
		"\xf8cw\x00\x00value": "version 0",
		"\xf8cw\x02\x00value": "version 2; this program reads 1",
		"\xf8cw\x01":          "damaged",
		"\xf8cw\x01\x01":      "damaged", // no fields where one byte should be
		"\xf8cw\x01\xff":      "damaged",
		"\xf8cw\x01\x06value": "damaged",
		"\xf8cw\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01value":             "damaged",
		"\xf8cw\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02value":             "damaged",
		"\xf8cw\x01\x01\x05value":                                             "damaged", // a field without a length
		"\xf8cw\x01\x02\x05\x01value":                                         "damaged", // longer than the fields
		"\xf8cw\x01\x01\xffvalue":                                             "damaged",
		"\xf8cw\x01\x02\x01\x00value":                                         "damaged", // Fresh without a time
		"\xf8cw\x01\x0b\x01\x09123456789value":                                "damaged",
		"\xf8cw\x01\x02\x02\x00value":                                         "damaged", // Took without a number
		"\xf8cw\x01\x04\x02\x02\x01\x01value":                                 "damaged", // and with two
		"\xf8cw\x01\x0c\x02\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01value": "damaged", // and below 0
		"\xf8cw\x01\x03\x03\x01xvalue":                                        "damaged", // NotFound with a content
		"\xf8cw\x01\x03\x04\x01\x01value":                                     "damaged", // a tag without a name
		"\xf8cw\x01\x04\x04\x02\x01\x01value":                                 "damaged", // a name that is cut off
		"\xf8cw\x01\x03\x04\x01\xffvalue":                                     "damaged",
	} {
		got, err := codec.Decode([]byte(data), core.FlagEnvelope|core.FlagText)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is %v, %v; want an error with %q", data, got, err, part)
		}
		if got.Value != "" || !sameFacts(&got.Facts, &encoding.Facts{}) {
			t.Errorf("%q answers %v beside the error", data, got)
		}
	}
}

func TestFactsThatCannotBeWrittenAreErrors(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for _, tt := range []struct {
		facts encoding.Facts
		part  string
	}{
		{encoding.Facts{Took: -1}, "below 0"},
		{encoding.Facts{Fresh: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)}, "year 1600, want 1678 to 2262"},
		{encoding.Facts{Fresh: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}, "year 2300"},
	} {
		wantUnwritable(t, codec, encoding.Enveloped[string]{Value: "v", Facts: tt.facts}, tt.part)
	}
	wantUnwritable(t, codec, encoding.Enveloped[string]{Value: "\xff", Facts: allFacts}, "UTF-8")
	twice := encoding.Envelope(codec, core.Traits{})
	wantUnwritable(t, twice, encoding.Enveloped[encoding.Enveloped[string]]{Value: encoding.Enveloped[string]{Facts: allFacts}, Facts: allFacts}, "already")
}

// Facts are copied, and each copy is given a tag of its own.
func TestTagsOfACopyAreItsOwn(t *testing.T) {
	first := facts(encoding.Facts{}, tag{"a", 1}, tag{"b", 2}, tag{"c", 3})
	second := first
	first.AddTag("first", 1)
	second.AddTag("second", 2)
	if got := tagsOf(&first); got[3] != (tag{"first", 1}) {
		t.Errorf("the tags are %v", got)
	}
	if got := tagsOf(&second); got[3] != (tag{"second", 2}) {
		t.Errorf("the tags are %v", got)
	}
	// And what was read is the cache's.
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	data, flags := encode(t, codec, encoding.Enveloped[string]{Value: "value", Facts: first})
	stored := string(data)
	v, err := codec.Decode(data, flags)
	if err != nil {
		t.Fatal(err)
	}
	v.Facts.AddTag("more", 9)
	if string(data) != stored {
		t.Errorf("the stored value became %q", data)
	}
	for range v.Facts.Tags() {
		break // a loop may end early
	}
}

func TestEnvelopeIsRefusedWhereItOrItsCodecNeedsFlags(t *testing.T) {
	c, noFlags := open(t, false), core.Traits{NoFlags: true}
	for _, tt := range []struct {
		codec core.Codec[string]
		made  core.Traits // for a backend with these
		want  error
	}{
		{encoding.Text(), noFlags, nil},
		{encoding.Compress(encoding.Text(), nil), noFlags, errors.ErrUnsupported},
		{encoding.Text(), core.Traits{}, errors.ErrUnsupported}, // it would return envelopes as values
		{nil, noFlags, core.ErrConfig},
	} {
		if _, err := core.NewTyped(c, encoding.Envelope(tt.codec, tt.made)); !errors.Is(err, tt.want) {
			t.Errorf("%T for %+v: error is %v, want %v", tt.codec, tt.made, err, tt.want)
		}
	}
}

// Facts that there are not take no room.
func TestTheLengthOfAnEnvelope(t *testing.T) {
	codec := encoding.Envelope(encoding.Text(), core.Traits{})
	for want, facts := range map[string]encoding.Facts{
		"":                                {},
		"\xf8cw\x01\x02\x03\x00":          {NotFound: true},
		"\xf8cw\x01\x03\x02\x01\x05":      {Took: 5},
		"\xf8cw\x01\x05\x04\x03\x07\x01t": facts(encoding.Facts{}, tag{"t", 7}),
	} {
		if data, _ := encode(t, codec, encoding.Enveloped[string]{Facts: facts}); string(data) != want {
			t.Errorf("%v is %q, want %q", facts, data, want)
		}
	}
}

func TestAnEnvelopeAroundACodecThatDoesNotAppend(t *testing.T) {
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		codec := encoding.Envelope[string](static{[]byte("abc")}, traits)
		if _, _, err := codec.Append(make([]byte, 10), encoding.Enveloped[string]{Value: "v"}); err == nil || !strings.Contains(err.Error(), "must append") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestNoFactsBesideAnError(t *testing.T) {
	codec := encoding.Envelope(encoding.Int[int](), core.Traits{})
	data, flags := encode(t, codec, encoding.Enveloped[int]{Value: 7, Facts: allFacts})
	v, err := codec.Decode(append(data, 'x'), flags)
	if err == nil || !sameFacts(&v.Facts, &encoding.Facts{}) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestFactsStandBeforeACompressedValue(t *testing.T) {
	codec := encoding.Envelope(encoding.Compress(encoding.Text(), nil), core.Traits{})
	want := encoding.Enveloped[string]{Value: strings.Repeat("x", 5000), Facts: allFacts}
	data, flags := encode(t, codec, want)
	if flags != core.FlagEnvelope|core.FlagZlib|core.FlagText || len(data) > 300 {
		t.Errorf("stored as %d bytes with flags %d", len(data), flags)
	}
	got, err := codec.Decode(data, flags)
	if got.Value != want.Value || !sameFacts(&got.Facts, &want.Facts) || err != nil {
		t.Errorf("comes back as %.20q, %v", got.Value, err)
	}
}
