package encoding_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"sync"
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

// A point writes itself, in both formats.
type point struct{ x, y int }

func (p point) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", p.x, p.y), nil }
func (p *point) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d/%d", &p.x, &p.y)
	return err
}
func (p point) GobEncode() ([]byte, error) { return p.MarshalText() }
func (p *point) GobDecode(b []byte) error  { return p.UnmarshalText(b) }

// A shape is values of one type for which all codecs of structures stand in.
type shape struct {
	name string
	run  func(t *testing.T, codecs string)
}

// codecFor answers the codec of the name.
func codecFor[T any](t *testing.T, name string) core.Codec[T] {
	switch name {
	case "JSON":
		return encoding.JSON[T]()
	case "Gob":
		return encoding.Gob[T]()
	case "Compress":
		return encoding.Compress(encoding.JSON[T](), &encoding.CompressOptions{Threshold: 1})
	}
	t.Fatalf("no codec %s", name)
	return nil
}

// of answers a test that each of values comes back as it was, from a codec that
// has been used before or not, also where flags are lost.
func of[T any](values ...T) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		codec := codecFor[T](t, name)
		for range 2 {
			for _, v := range values {
				data, flags := encode(t, codec, v)
				for _, reader := range []core.Codec[T]{codec, codecFor[T](t, name)} {
					for _, flags := range []uint32{flags, 0} {
						if flags == 0 && name == "Compress" {
							continue // it needs them
						}
						got, err := reader.Decode(data, flags)
						if err != nil || !reflect.DeepEqual(got, v) {
							t.Errorf("%+v comes back as %+v, %v", v, got, err)
						}
					}
				}
			}
		}
	}
}

func TestValuesOfAnyShapeComeBackEqual(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	big7 := big.NewInt(7)
	for _, s := range []shape{
		{"struct", of(user{"Ann", 40}, user{}, user{Name: strings.Repeat("x", 10_000)})},
		{"pointer", of(&user{"Ann", 40}, &user{Age: 1})},
		{"nested", of(tree{Kids: map[string]*tree{"a": {Tags: []string{"x", ""}}}, When: moment, N: big7, Raw: []byte{0, 255}}, tree{When: moment})},
		{"slice", of([]user{{"Ann", 40}, {}}, []user{{}})},
		{"map", of(map[string]int{"a": 1, "": 0})},
		{"array", of([3]int{1, 0, 2}, [3]int{})},
		{"string", of("", "a", "<&>\u2028")},
		{"int", of(0, 1, -1, math.MaxInt, math.MinInt)},
		{"float", of(celsius(0), celsius(-0.5), celsius(math.MaxFloat64))},
		{"bool", of(true, false)},
		{"bytes", of([]byte{0, 1, 255})},
		{"own format", of(point{1, 2}, point{})},
		{"time", of(moment)},
		{"pointer to its own format", of(big7)},
		{"pointer to a pointer", of(&big7)},
	} {
		for _, name := range []string{"JSON", "Gob", "Compress"} {
			t.Run(s.name+" "+name, func(t *testing.T) { s.run(t, name) })
		}
	}
}

// Nil is a value in JSON where the type has it, and never in gob.
func TestNilComesBackAsNil(t *testing.T) {
	t.Run("pointer", func(t *testing.T) { of[*user](nil)(t, "JSON") })
	t.Run("pointer to pointer", func(t *testing.T) { of[**user](nil)(t, "Compress") })
	t.Run("map", func(t *testing.T) { of[map[string]int](nil, map[string]int{})(t, "JSON") })
	t.Run("slice", func(t *testing.T) { of[[]int](nil, []int{})(t, "JSON") })
	t.Run("any", func(t *testing.T) { of[any](nil, 1.5, "x", []any{nil}, map[string]any{"a": true})(t, "JSON") })
	wantUnwritable(t, encoding.Gob[*user](), nil, "nil")
	wantUnwritable(t, encoding.Gob[**user](), new(*user), "nil")
	wantUnwritable(t, encoding.Gob[any](), nil, "nil")
	wantUnwritable(t, encoding.Gob[*big.Int](), nil, "nil")
	wantUnwritable(t, encoding.Gob[[]*user](), []*user{nil}, "nil")
}

func TestGobKeepsInterfaces(t *testing.T) {
	gob.Register(user{})
	gob.Register(tree{})
	gob.Register(map[string]any{})
	t.Run("any", func(t *testing.T) {
		of[any](user{"Ann", 1}, "text", 7, map[string]any{"u": user{"Bob", 2}, "n": 1}, tree{Tags: []string{"x"}}, user{"Ann", 2})(t, "Gob")
	})
	type holder struct {
		First, Second any
		Inner         []struct{ Deep map[string]any }
	}
	t.Run("fields", func(t *testing.T) {
		of(holder{First: 1}, holder{First: user{"Ann", 1}, Second: "x"},
			holder{Inner: []struct{ Deep map[string]any }{{Deep: map[string]any{"u": user{"Bob", 2}}}}},
			holder{Second: tree{}}, holder{First: user{"Ann", 3}, Second: user{}})(t, "Gob")
	})
}

// wantUnwritable fails unless codec answers an error for v that holds part, and
// dst as it was, and can be used again.
func wantUnwritable[T any](t *testing.T, codec core.Codec[T], v T, part string) {
	t.Helper()
	dst := append(make([]byte, 0, 100), "dst"...)
	for range 2 {
		data, _, err := codec.Append(dst, v)
		if err == nil || !strings.Contains(err.Error(), part) || string(data) != "dst" {
			t.Errorf("Append(%v) = %q, %v; want an error with %q", v, data, err, part)
		}
	}
}

func TestWhatCannotBeWrittenIsAnErrorAndTheNextValueIsNot(t *testing.T) {
	for _, name := range []string{"JSON", "Compress"} {
		codec := codecFor[map[string]float64](t, name)
		wantUnwritable(t, codec, map[string]float64{"a": 1, "nan": math.NaN()}, "NaN")
		if data, _ := encode(t, codec, map[string]float64{"a": 1}); string(data) != `{"a":1}` {
			t.Errorf("%s: then %q", name, data)
		}
	}
	wantUnwritable(t, encoding.JSON[chan int](), make(chan int), "chan int")
	wantUnwritable(t, encoding.Gob[chan int](), make(chan int), "chan int")
	wantUnwritable(t, encoding.Gob[struct{ a int }](), struct{ a int }{1}, "no exported fields")
	type odd struct{ V any }
	type unregistered struct{ X int }
	codec := encoding.Gob[odd]()
	wantUnwritable(t, codec, odd{unregistered{}}, "not registered")
	data, flags := encode(t, codec, odd{7})
	if v, err := codec.Decode(data, flags); v != (odd{7}) || err != nil {
		t.Errorf("then %v, %v", v, err)
	}
	fails := &failing{errors.New("no ink")}
	wantUnwritable(t, encoding.Gob[*failing](), fails, "no ink")
	wantUnwritable(t, encoding.JSON[*failing](), fails, "no ink")
	fails.err = nil
	if data, _ := encode(t, encoding.JSON[*failing](), fails); string(data) != "{}" {
		t.Errorf("then %q", data)
	}
}

// failing writes itself unless it has an error.
type failing struct{ err error }

func (f *failing) MarshalJSON() ([]byte, error) { return []byte("{}"), f.err }
func (f *failing) GobEncode() ([]byte, error)   { return nil, f.err }
func (f *failing) GobDecode([]byte) error       { return nil }

// Many goroutines write and read values of many lengths with one codec.
func TestACodecMayBeUsedByManyGoroutines(t *testing.T) {
	for name, codec := range map[string]core.Codec[user]{
		"JSON":     encoding.JSON[user](),
		"Gob":      encoding.Gob[user](),
		"Compress": encoding.Compress(encoding.JSON[user](), &encoding.CompressOptions{Threshold: 100}),
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for i := range 300 {
						want := user{strings.Repeat(fmt.Sprint(g, i), i), g}
						data, flags, err := codec.Append(nil, want)
						if err != nil {
							t.Error(err)
							return
						}
						if got, err := codec.Decode(data, flags); got != want || err != nil {
							t.Errorf("%.100v comes back as %.100v, %v", want, got, err)
							return
						}
						if _, err := codec.Decode(data[:len(data)-1], flags); err == nil {
							t.Error("a value that is cut off is read")
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
