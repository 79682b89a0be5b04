package protobuf_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
	"github.com/cachewire/cachewire/encoding/protobuf"
	"github.com/cachewire/cachewire/encoding/protobuf/internal/testpb"
	"github.com/cachewire/cachewire/memory"
)

func same[T proto.Message](x, y T) bool { return proto.Equal(x, y) }

// visit returns a visit that has all fields.
func visit() *testpb.Visit {
	paid := false
	return &testpb.Visit{
		Page: "/grüße", Took: -1, Tags: []string{"a", ""},
		Counts: map[string]int64{"": 0, "b": 1},
		Raw:    []byte{0, 255}, At: timestamppb.New(time.Unix(1, 5)),
		Parent: &testpb.Visit{}, Children: []*testpb.Visit{{}, {Page: "/child"}},
		Who: &testpb.Visit_Name{Name: "Ann"}, Score: math.NaN(), Paid: &paid,
	}
}

func TestTheCodecKeepsItsContract(t *testing.T) {
	t.Run("all fields", func(t *testing.T) {
		codectest.Run(t, codectest.Config[*testpb.Visit]{
			New:    protobuf.Codec[*testpb.Visit],
			Values: []*testpb.Visit{visit(), {Page: "/"}, {}, {Who: &testpb.Visit_Id{}}, nil},
			Refused: []*testpb.Visit{
				{Page: "\xff"},
				{Children: []*testpb.Visit{{Tags: []string{"\xff"}}}},
			},
			Equal: same[*testpb.Visit],
			Versions: []codectest.Version[*testpb.Visit]{
				codectest.Written(protobuf.Codec[*testpb.LaterVisit](),
					&testpb.LaterVisit{Page: "/"}, &testpb.Visit{Page: "/"}),
			},
		})
	})
	t.Run("recursive", func(t *testing.T) {
		tree, err := structpb.NewValue(map[string]any{"a": []any{1.5, "x", nil, map[string]any{}}})
		if err != nil {
			t.Fatal(err)
		}
		codectest.Run(t, codectest.Config[*structpb.Value]{
			New: protobuf.Codec[*structpb.Value], Equal: same[*structpb.Value],
			Values: []*structpb.Value{tree, structpb.NewNullValue(), {}, nil},
		})
	})
	t.Run("proto2", func(t *testing.T) {
		name, is := "a", false
		codectest.Run(t, codectest.Config[*descriptorpb.UninterpretedOption_NamePart]{
			New:   protobuf.Codec[*descriptorpb.UninterpretedOption_NamePart],
			Equal: same[*descriptorpb.UninterpretedOption_NamePart],
			Values: []*descriptorpb.UninterpretedOption_NamePart{
				{NamePart: &name, IsExtension: &is},
			},
			Refused: []*descriptorpb.UninterpretedOption_NamePart{{}, {NamePart: &name}},
		})
	})
	t.Run("compressed bytes", func(t *testing.T) {
		codectest.Run(t, codectest.Config[*testpb.Visit]{
			New: func() core.Codec[*testpb.Visit] {
				return encoding.AsBytes(encoding.Compress(protobuf.Codec[*testpb.Visit](),
					&encoding.CompressOptions{Threshold: 50, MaxSize: 5000}))
			},
			Values: []*testpb.Visit{visit(), {}}, Equal: same[*testpb.Visit],
			Reads: []uint32{encoding.FlagProtobuf}, MaxSize: 5000,
		})
	})
}

func encode[T proto.Message](t *testing.T, v T) []byte {
	t.Helper()
	data, flags, err := protobuf.Codec[T]().Append([]byte("before"), v)
	if err != nil || flags != encoding.FlagProtobuf || !bytes.HasPrefix(data, []byte("before")) {
		t.Fatalf("Append(%v) = %q, %#x, %v", v, data, flags, err)
	}
	return data[len("before"):]
}

// wantDecodeErr fails unless the codec of visits returns nil and an error with part.
func wantDecodeErr(t *testing.T, data, part string) {
	t.Helper()
	v, err := protobuf.Codec[*testpb.Visit]().Decode([]byte(data), 0)
	if err == nil || !strings.Contains(err.Error(), part) || v != nil {
		t.Errorf("Decode(%q) = %v, %v; want an error with %q", data, v, err, part)
	}
}

func TestMessagesAreDelimitedAsInOtherLanguages(t *testing.T) {
	var want bytes.Buffer
	long := visit()
	long.Page = strings.Repeat("x", 300)
	for _, v := range []*testpb.Visit{{}, {Page: "/"}, long} {
		want.Reset()
		if _, err := protodelim.MarshalTo(&want, v); err != nil {
			t.Fatal(err)
		}
		data := encode(t, v)
		if len(v.GetCounts()) == 0 && !bytes.Equal(data, want.Bytes()) { // maps have no order
			t.Errorf("stored as %q, want %q", data, want.Bytes())
		}
		var got testpb.Visit
		if err := protodelim.UnmarshalFrom(bytes.NewReader(data), &got); err != nil ||
			!proto.Equal(&got, v) {
			t.Errorf("protodelim reads %v, %v; want %v", &got, err, v)
		}
	}
	if data := encode[*testpb.Visit](t, nil); string(data) != "\x80\x00" {
		t.Errorf("nil is stored as %q", data)
	}
	if data := encode(t, &testpb.Visit{}); string(data) != "\x00" {
		t.Errorf("an empty message is stored as %q", data)
	}
}

func TestDataThatAreNotOneMessageAreAnError(t *testing.T) {
	for data, part := range map[string]string{
		"":                  "EOF",
		"\x80":              "EOF",
		"\x01":              "EOF",
		"\x05\x0a\x01/":     "EOF",
		"\x02\x0a\x01/":     "length",
		"\x00\x0a\x01/":     "length",
		"\x83\x00\x0a\x01/": "length", // in a longer form than necessary
		"\x80\x80\x00":      "length",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01":     "EOF",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "length",
		"\x03\x0a\x02/":    "",
		"\x03\x0a\x01\xff": "UTF-8",
	} {
		wantDecodeErr(t, data, part)
	}
	wantDecodeErr(t, string(encode(t, &testpb.Order{Sum: 7})), "no field")
	wantDecodeErr(t, strings.Repeat("\x3a\x7f", 200), "")
}

// Otherwise a program of an earlier version would drop what a later one has stored.
func TestUnknownFieldsAreKept(t *testing.T) {
	want := &testpb.LaterVisit{Page: "/", Email: "ann@example.org"}
	v, err := protobuf.Codec[*testpb.Visit]().Decode(encode(t, want), encoding.FlagProtobuf)
	if err != nil {
		t.Fatal(err)
	}
	got, err := protobuf.Codec[*testpb.LaterVisit]().Decode(encode(t, v), encoding.FlagProtobuf)
	if !proto.Equal(got, want) || err != nil {
		t.Errorf("through another version, %v comes back as %v, %v", want, got, err)
	}
}

func TestNewTypedRefusesATypeThatIsNoGeneratedMessage(t *testing.T) {
	b, err := memory.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, ofInterface := core.NewTyped(c, protobuf.Codec[proto.Message]())
	_, dynamic := core.NewTyped(c, protobuf.Codec[*dynamicpb.Message]())
	_, _, appending := protobuf.Codec[proto.Message]().Append(nil, &testpb.Visit{})
	_, decoding := protobuf.Codec[*dynamicpb.Message]().Decode([]byte("\x00"), 0)
	for _, err := range []error{ofInterface, dynamic, appending, decoding} {
		if !errors.Is(err, core.ErrConfig) ||
			!strings.Contains(err.Error(), "want a pointer to a generated") {
			t.Errorf("error is %v, want ErrConfig", err)
		}
	}
	if _, err := core.NewTyped(c, protobuf.Codec[*testpb.Visit]()); err != nil {
		t.Error(err)
	}
}

// Module encoding has values of all codecs in package codectest.
func TestTheCodecWritesTheValueInCodectest(t *testing.T) {
	const want = "\x09\x0a\x07foreign"
	if got := encode(t, &testpb.Visit{Page: "foreign"}); string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec, v := protobuf.Codec[*testpb.Visit](), visit()
	v.Counts = nil // package protobuf allocates for maps
	dst := make([]byte, 0, 1000)
	if got := testing.AllocsPerRun(100, func() { _, _, _ = codec.Append(dst, v) }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []*testpb.Visit{visit(), {}, nil} {
		data, _, err := protobuf.Codec[*testpb.Visit]().Append(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	codec := protobuf.Codec[*testpb.Visit]()
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codec.Decode(data, 0)
		if err != nil {
			return
		}
		again, flags, err := codec.Append(nil, v)
		if err != nil {
			t.Fatalf("Append(%v), which Decode(%q) returned: %v", v, data, err)
		}
		if got, err := codec.Decode(again, flags); err != nil || !proto.Equal(got, v) {
			t.Errorf("%v, which Decode(%q) returned, is decoded as %v, %v", v, data, got, err)
		}
	})
}
