package codectest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// Config says which codec Run tests, and what its documentation promises. The zero value of
// a field is the strictest promise.
type Config[T any] struct {
	// New returns a new codec. All of them must read each other's values.
	New func() core.Codec[T]

	// Values are samples that the codec stores. There must be at least one. The suite does
	// not write to them.
	Values []T

	// Refused are values that the codec cannot store.
	Refused []T

	// Versions are values that other versions of T wrote; see [Written].
	Versions []Version[T]

	// Equal reports whether two values are equal. If nil, values are equal if
	// [reflect.DeepEqual] says so, with two exceptions: NaN is equal to itself, and values
	// with a method Equal or Cmp, as in packages time and math/big, are equal if it says so.
	Equal func(x, y T) bool

	// NilIsEmpty says that a nil slice or map may come back empty, and an empty one nil.
	NilIsEmpty bool

	// Aliases says that a decoded value may refer to the data from which it was decoded, as
	// core.Codec allows.
	Aliases bool

	// Bare says that the format has no mark and no end: a part of the data may be a value,
	// and so may the data with more bytes. That is true for text and for decimal digits.
	Bare bool

	// Sealed says that the codec refuses data in which a single bit has changed.
	Sealed bool

	// Reads are the flags of other codecs whose values the codec reads if it understands the
	// data. The flags that its own Append returns, and 0, need not be listed. core.FlagZlib
	// is ignored.
	Reads []uint32

	// MaxSize is the length in bytes of the longest value to which the codec decompresses
	// data with core.FlagZlib. If 0, the codec leaves decompression to encoding.Plain,
	// which has a limit of its own.
	MaxSize int
}

// A Version is a value of another version of T.
type Version[T any] struct {
	write func() (data []byte, flags uint32, err error)
	text  string
	want  T
}

// Written returns v as codec encodes it. A codec of T must decode it as want.
func Written[U, T any](codec core.Codec[U], v U, want T) Version[T] {
	return Version[T]{
		write: func() ([]byte, uint32, error) { return appendKey(codec, nil, key, v) },
		text:  show(v),
		want:  want,
	}
}

// Run runs the suite as subtests of t.
func Run[T any](t *testing.T, cfg Config[T]) {
	t.Helper()
	if cfg.New == nil || len(cfg.Values) == 0 {
		t.Fatal("codectest: Config needs New, and at least one of Values")
	}
	for _, r := range rules[T]() {
		t.Run(r.id, func(t *testing.T) {
			for _, failure := range r.failures(cfg) {
				t.Errorf("%s\n%s", r.rule, failure)
			}
		})
	}
}

// A rule is a sentence of the contract, and a check of it.
type rule[T any] struct {
	id    string
	rule  string
	check func(s *suite[T])
}

// rules returns the rules for codecs of T.
func rules[T any]() []rule[T] {
	return slices.Concat(valueRules[T](), memoryRules[T](), damageRules[T](), kindRules[T]())
}

// failures returns the failures of the codec of cfg.
func (r rule[T]) failures(cfg Config[T]) (failures []string) {
	s := &suite[T]{Config: cfg}
	defer func() {
		if p := recover(); p != nil {
			s.errorf("panic: %v", p)
		}
		failures = s.failed
	}()
	s.codec = cfg.New()
	r.check(s)
	return s.failed
}

// maxFailures is how many failures of a rule are reported.
const maxFailures = 10

// A suite runs one rule.
type suite[T any] struct {
	Config[T]
	codec  core.Codec[T]
	failed []string
}

// enough reports whether a rule has found so many failures that it can stop.
func (s *suite[T]) enough() bool { return len(s.failed) >= maxFailures }

func (s *suite[T]) errorf(format string, args ...any) {
	if !s.enough() {
		s.failed = append(s.failed, fmt.Sprintf(format, args...))
	}
}

// key is the key of all values.
const key = "codectest:1"

func appendKey[T any](
	codec core.Codec[T], dst []byte, key string, v T,
) (data []byte, flags uint32, err error) {
	defer recovered(&err)
	if keyed, ok := codec.(core.KeyedCodec[T]); ok {
		return keyed.AppendKey(dst, key, v)
	}
	return codec.Append(dst, v)
}

func decodeKey[T any](
	codec core.Codec[T], data []byte, flags uint32, key string,
) (v T, err error) {
	defer recovered(&err)
	if keyed, ok := codec.(core.KeyedCodec[T]); ok {
		return keyed.DecodeKey(data, flags, key)
	}
	return codec.Decode(data, flags)
}

// A panicked is the error of a codec that panics, which no rule allows.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = panicked{p}
	}
}

// An encoded is a value as a codec has encoded it.
type encoded struct {
	data  []byte
	flags uint32
}

// encode returns v as the codec encodes it, and whether the codec encodes it. A sample must
// not be refused.
func (s *suite[T]) encode(v T) (encoded, bool) {
	data, flags, err := appendKey(s.codec, nil, key, v)
	if err != nil {
		s.errorf("Append(%s): %v", show(v), err)
	}
	return encoded{bytes.Clone(data), flags}, err == nil
}

// samples yields each of Values as the codec encodes it.
func (s *suite[T]) samples(yield func(T, encoded) bool) {
	for _, v := range s.Values {
		if e, ok := s.encode(v); ok && !yield(v, e) {
			return
		}
	}
}

func (s *suite[T]) decode(e encoded) (T, error) {
	v, err := decodeKey(s.codec, e.data, e.flags, key)
	if p, ok := err.(panicked); ok {
		s.errorf("Decode(%.60q, %#x): %v", e.data, e.flags, p)
	}
	return v, err
}

// copyOf returns v in memory of its own, by encoding and decoding it.
func (s *suite[T]) copyOf(e encoded) (T, bool) {
	v, err := s.decode(encoded{bytes.Clone(e.data), e.flags})
	if err != nil {
		s.errorf("Decode(%.60q, %#x): %v", e.data, e.flags, err)
	}
	return v, err == nil
}

func (s *suite[T]) same(x, y T) bool {
	if s.Equal != nil {
		return s.Equal(x, y)
	}
	return equality{nilIsEmpty: s.NilIsEmpty}.
		values(reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem())
}

// wantRefused fails if the codec decodes e, which is not one of its values. What describes e.
func (s *suite[T]) wantRefused(what string, e encoded) {
	if s.enough() {
		return
	}
	if v, err := s.decode(e); err == nil {
		s.errorf("%s: Decode(%.60q, %#x) = %s, want an error", what, e.data, e.flags, show(v))
	}
}

// wantWhole fails if the codec decodes e as a value that does not come back equal after it is
// stored again. The codec may also refuse e. What describes e.
func (s *suite[T]) wantWhole(what string, e encoded) {
	if s.enough() {
		return
	}
	v, err := s.decode(e)
	if err != nil {
		return
	}
	data, flags, err := appendKey(s.codec, nil, key, v)
	if err != nil {
		s.errorf("%s: Decode(%.60q, %#x) = %s, which Append refuses: %v",
			what, e.data, e.flags, show(v), err)
		return
	}
	again, err := s.decode(encoded{data, flags})
	if err != nil || !s.same(again, v) {
		s.errorf("%s: Decode(%.60q, %#x) = %s, which comes back as %s, %v",
			what, e.data, e.flags, show(v), show(again), err)
	}
}

// works reports whether the codec works over a backend with traits.
func works[T any](codec core.Codec[T], traits core.Traits) error {
	if c, ok := codec.(core.CodecChecker); ok {
		return c.Check(traits)
	}
	return nil
}

// show returns v as text for a failure.
func show(v any) string {
	text := fmt.Sprintf("%T(%+v)", v, v)
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
