package encoding_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	vmihailenco "github.com/vmihailenco/msgpack/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cachewire/cachewire/benchmarks/encoding/userpb"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/cbor"
	"github.com/cachewire/cachewire/encoding/msgpack"
	"github.com/cachewire/cachewire/encoding/protobuf"
	"github.com/cachewire/cachewire/encoding/seal"
)

// A user has ten fields of the kinds that values in caches usually have.
type user struct {
	ID      int64            `json:"id" msgpack:"id"`
	Name    string           `json:"name" msgpack:"name"`
	Email   string           `json:"email" msgpack:"email"`
	Age     int32            `json:"age" msgpack:"age"`
	Balance float64          `json:"balance" msgpack:"balance"`
	Active  bool             `json:"active" msgpack:"active"`
	Created time.Time        `json:"created" msgpack:"created"`
	Roles   []string         `json:"roles" msgpack:"roles"`
	Visits  map[string]int64 `json:"visits" msgpack:"visits"`
	Avatar  []byte           `json:"avatar" msgpack:"avatar"`
}

var ann = user{
	ID: 7_000_001, Name: "Ann Miller", Email: "ann.miller@example.org", Age: 40, Balance: 1250.75,
	Active: true, Created: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC),
	Roles:  []string{"admin", "editor", "reviewer"},
	Visits: map[string]int64{"home": 120, "shop": 33, "help": 2},
	Avatar: []byte("a picture of thirty-two bytes...."),
}

var annpb = &userpb.User{
	Id: ann.ID, Name: ann.Name, Email: ann.Email, Age: ann.Age,
	Balance: ann.Balance, Active: ann.Active, Created: timestamppb.New(ann.Created),
	Roles: ann.Roles, Visits: ann.Visits, Avatar: ann.Avatar,
}

// A rival encodes ann, appending to dst if it can, and decodes the data.
type rival struct {
	name   string
	encode func(dst []byte) ([]byte, error)
	decode func(data []byte) (any, error)
	want   any
}

const key = "user:7000001"

// of returns codec as a rival, which encodes v.
func of[T any](name string, codec core.Codec[T], v T) rival {
	var flags uint32
	keyed, ok := codec.(core.KeyedCodec[T])
	return rival{
		name: name,
		encode: func(dst []byte) (data []byte, err error) {
			if ok {
				data, flags, err = keyed.AppendKey(dst, key, v)
			} else {
				data, flags, err = codec.Append(dst, v)
			}
			return data, err
		},
		decode: func(data []byte) (any, error) {
			if ok {
				return keyed.DecodeKey(data, flags, key)
			}
			return codec.Decode(data, flags)
		},
		want: v,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var rivals = func() []rival {
	secret := bytes.Repeat([]byte{7}, 32)
	byJSON := encoding.JSON[user]()
	return append([]rival{
		{
			"encoding/json alone",
			func([]byte) ([]byte, error) { return json.Marshal(&ann) },
			func(data []byte) (any, error) {
				var v user
				err := json.Unmarshal(data, &v)
				return v, err
			},
			ann,
		},
		{
			"vmihailenco/msgpack alone",
			func([]byte) ([]byte, error) { return vmihailenco.Marshal(&ann) },
			func(data []byte) (any, error) {
				var v user
				err := vmihailenco.Unmarshal(data, &v)
				return v, err
			},
			ann,
		},
		of("JSON", byJSON, ann),
		of("Gob", encoding.Gob[user](), ann),
		of("MsgPack", msgpack.Codec[user](), ann),
		of("CBOR", cbor.Codec[user](), ann),
		of("Protobuf", protobuf.Codec[*userpb.User](), annpb),
		of("Encrypter over JSON", encoding.Protect(byJSON, must(seal.NewEncrypter(secret))), ann),
		of("Signer over JSON", encoding.Protect(byJSON, must(seal.NewSigner(secret))), ann),
	}, sonicRivals...)
}()

func TestRivalsDecodeWhatTheyEncode(t *testing.T) {
	for _, r := range rivals {
		data, err := r.encode(nil)
		if err != nil {
			t.Fatal(r.name, err)
		}
		got, err := r.decode(data)
		if err != nil {
			t.Fatal(r.name, err)
		}
		switch got := got.(type) {
		case *userpb.User:
			if !proto.Equal(got, annpb) {
				t.Errorf("%s: decoded as %v", r.name, got)
			}
		case user:
			got.Created = got.Created.UTC()
			if !reflect.DeepEqual(got, ann) {
				t.Errorf("%s: decoded as %+v", r.name, got)
			}
		default:
			t.Errorf("%s: decoded as %T", r.name, got)
		}
	}
	if fields := reflect.TypeFor[user]().NumField(); fields != 10 {
		t.Errorf("the struct has %d fields, want 10", fields)
	}
}

// BenchmarkEncoding encodes and decodes a struct of ten fields.
func BenchmarkEncoding(b *testing.B) {
	for _, r := range rivals {
		data, err := r.encode(nil)
		if err != nil {
			b.Fatal(r.name, err)
		}
		name := fmt.Sprintf("/%s", bytes.ReplaceAll([]byte(r.name), []byte("/"), []byte(".")))
		b.Run("encode"+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 2*len(data)+100)
			for b.Loop() {
				if _, err := r.encode(dst); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data)), "bytes")
		})
		b.Run("decode"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.decode(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data)), "bytes")
		})
	}
}
