package encoding_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A user is what most tests store.
type user struct {
	Name string
	Age  int `json:"age"`
}

type tree struct {
	Kids map[string]*tree
	Tags []string
	When time.Time
	N    *big.Int
	Raw  []byte
}

type celsius float64

// A point encodes itself, for JSON and for gob.
type point struct{ x, y int }

func (p point) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", p.x, p.y), nil }
func (p *point) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d/%d", &p.x, &p.y)
	return err
}
func (p point) GobEncode() ([]byte, error) { return p.MarshalText() }
func (p *point) GobDecode(b []byte) error  { return p.UnmarshalText(b) }

// codecFor returns the codec with this name.
func codecFor[T any](t *testing.T, name string) core.Codec[T] {
	switch name {
	case "JSON":
		return encoding.JSON[T]()
	case "Gob":
		return encoding.Gob[T]()
	case "Compress":
		return encoding.Compress(
			encoding.JSON[T](),
			&encoding.CompressOptions{Threshold: 1, MaxSize: 64 << 10},
		)
	}
	t.Fatalf("no codec %s", name)
	return nil
}

// roundTrip returns a test that codecs decode each of values as it was encoded. A codec
// does so when it is new, when it has been used, and when the flags are lost.
func roundTrip[T any](values ...T) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		codec := codecFor[T](t, name)
		for range 2 {
			for _, v := range values {
				data, flags := encode(t, codec, v)
				for _, reader := range []core.Codec[T]{codec, codecFor[T](t, name)} {
					for _, flags := range []uint32{flags, 0} {
						if flags == 0 && name == "Compress" {
							continue // Compress needs flags
						}
						got, err := reader.Decode(data, flags)
						if err != nil || !reflect.DeepEqual(got, v) {
							t.Errorf("%+v is decoded as %+v, %v", v, got, err)
						}
					}
				}
			}
		}
	}
}

// Every codec of any type stores nil, and a nil that has been stored is a hit.
func TestNilRoundTrips(t *testing.T) {
	for _, name := range []string{"JSON", "Gob", "Compress"} {
		t.Run(name, func(t *testing.T) {
			roundTrip(nil, &user{"Ann", 40})(t, name)
			roundTrip[**user](nil)(t, name)
			roundTrip[*big.Int](nil, big.NewInt(7))(t, name)
			roundTrip[map[string]int](nil, map[string]int{})(t, name)
			roundTrip[[]int](nil, []int{})(t, name)
			roundTrip[any](nil, "x")(t, name)
		})
	}
	roundTrip[any](nil, 1.5, "x", []any{nil}, map[string]any{"a": true})(t, "JSON")
	wantAppendErr(t, encoding.Gob[**user](), new(*user), "nil")
	wantAppendErr(t, encoding.Gob[*any](), new(any), "nil")
	wantAppendErr(t, encoding.Gob[[]*user](), []*user{nil}, "nil")
	nilGob, _ := encode(t, encoding.Gob[*user](), nil)
	wantDecodeErr(t, encoding.Gob[user](), string(nilGob), encoding.FlagGob, "nil")
	wantDecodeErr(t, encoding.Gob[*user](), "\x00\x00\x00\x00", 0, "checksum")
}

func TestGobRoundTripsInterfaces(t *testing.T) {
	gob.Register(user{})
	gob.Register(tree{})
	gob.Register(map[string]any{})
	ann, bob := user{"Ann", 1}, user{"Bob", 2}
	t.Run("any", func(t *testing.T) {
		roundTrip[any](ann, "text", 7, map[string]any{"u": bob, "n": 1},
			tree{Tags: []string{"x"}}, user{"Ann", 2})(t, "Gob")
	})
	type inner struct{ Deep map[string]any }
	type holder struct {
		First, Second any
		Inner         []inner
	}
	t.Run("fields", func(t *testing.T) {
		roundTrip(
			holder{First: 1}, holder{First: ann, Second: "x"},
			holder{Inner: []inner{{Deep: map[string]any{"u": bob}}}},
			holder{Second: tree{}}, holder{First: user{"Ann", 3}, Second: user{}},
		)(t, "Gob")
	})
}

// wantAppendErr fails unless codec returns dst unchanged, and an error whose text
// contains part, for v, and does so again.
func wantAppendErr[T any](t *testing.T, codec core.Codec[T], v T, part string) {
	t.Helper()
	dst := append(make([]byte, 0, 100), "dst"...)
	for range 2 {
		data, _, err := codec.Append(dst, v)
		if err == nil || !strings.Contains(err.Error(), part) || string(data) != "dst" {
			t.Errorf("Append(%v) = %q, %v; want an error with %q", v, data, err, part)
		}
	}
}

func TestAValueThatCannotBeEncodedDoesNotAffectTheNext(t *testing.T) {
	for _, name := range []string{"JSON", "Compress"} {
		codec := codecFor[map[string]float64](t, name)
		wantAppendErr(t, codec, map[string]float64{"a": 1, "nan": math.NaN()}, "NaN")
		if data, _ := encode(t, codec, map[string]float64{"a": 1}); string(data) != `{"a":1}` {
			t.Errorf("%s: the next value is stored as %q", name, data)
		}
	}
	wantAppendErr(t, encoding.JSON[chan int](), make(chan int), "chan int")
	wantAppendErr(t, encoding.Gob[chan int](), make(chan int), "chan int")
	wantAppendErr(
		t,
		encoding.Gob[struct{ a int }](),
		struct{ a int }{1},
		"the field a is unexported",
	)
	type holder struct{ V any }
	type unregistered struct{ X int }
	codec := encoding.Gob[holder]()
	wantAppendErr(t, codec, holder{unregistered{}}, "not registered")
	data, flags := encode(t, codec, holder{7})
	if v, err := codec.Decode(data, flags); v != (holder{7}) || err != nil {
		t.Errorf("the next value is decoded as %v, %v", v, err)
	}
	v := &failing{errors.New("no ink")}
	wantAppendErr(t, encoding.Gob[*failing](), v, "no ink")
	wantAppendErr(t, encoding.JSON[*failing](), v, "no ink")
	v.err = nil
	if data, _ := encode(t, encoding.JSON[*failing](), v); string(data) != "{}" {
		t.Errorf("the next value is stored as %q", data)
	}
}

// A failing returns its error when it is encoded.
type failing struct{ err error }

func (f *failing) MarshalJSON() ([]byte, error) { return []byte("{}"), f.err }
func (f *failing) GobEncode() ([]byte, error)   { return nil, f.err }
func (f *failing) GobDecode([]byte) error       { return nil }
