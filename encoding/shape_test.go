package encoding_test

import (
	"errors"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Types with fields that package encoding/json or encoding/gob leaves out.
type (
	hidden   struct{ x int }
	Hidden   struct{ x int }
	twoParts struct {
		Name string
		note string
	}
	base    struct{ ID int }
	derived struct {
		base
		Name string
	}
	pair[K comparable, V any] struct {
		Key   K
		Value V
	}
	chain struct {
		Next *chain
		Last *hidden
	}
	selfish struct {
		*selfish
		x int
	}
)

// For staticcheck, which otherwise reports fields that no code uses.
var _ = []any{hidden{}.x, Hidden{}.x, twoParts{}.note, selfish{}.selfish, selfish{}.x}

// wantRefused fails unless NewTyped and Append refuse T, and name the field.
func wantRefused[T any](t *testing.T, codec core.Codec[T], field string) {
	t.Helper()
	_, err := core.NewTyped(newCache(t, true), codec)
	for _, codec := range []core.Codec[T]{codec, encoding.Compress(codec, nil)} {
		_, _, appendErr := codec.Append(nil, *new(T))
		for _, err := range []error{err, appendErr} {
			if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), " "+field+" ") {
				t.Errorf("%T: error is %v, want ErrConfig with the field %s", codec, err, field)
			}
		}
	}
}

// wantAccepted fails if NewTyped refuses codec.
func wantAccepted[T any](t *testing.T, codec core.Codec[T]) {
	t.Helper()
	if _, err := core.NewTyped(newCache(t, true), codec); err != nil {
		t.Errorf("%T: %v", codec, err)
	}
}

// All of a value would vanish, in T itself or in a part of it.
func TestATypeWhoseFieldsAreAllUnexportedIsRefused(t *testing.T) {
	wantRefused(t, encoding.JSON[hidden](), "x")
	wantRefused(t, encoding.JSON[*hidden](), "x")
	wantRefused(t, encoding.JSON[**hidden](), "x")
	wantRefused(t, encoding.JSON[[]hidden](), "[].x")
	wantRefused(t, encoding.JSON[[2][]hidden](), "[][].x")
	wantRefused(t, encoding.JSON[map[string]hidden](), "[].x")
	wantRefused(t, encoding.JSON[map[string]*hidden](), "[].x")
	wantRefused(t, encoding.JSON[struct{ H []*hidden }](), "H[].x")
	wantRefused(t, encoding.JSON[pair[string, hidden]](), "Value.x")
	wantRefused(t, encoding.JSON[chain](), "Last.x")
	wantRefused(t, encoding.JSON[struct {
		hidden
		Name string
	}](), "hidden.x")
	wantRefused(t, encoding.JSON[struct {
		Hidden
		Name string
	}](), "Hidden.x")
	wantRefused(t, encoding.JSON[struct {
		*Hidden
		Name string
	}](), "Hidden.x")
	wantRefused(t, encoding.JSON[struct{ hidden }](), "hidden.x")
	wantRefused(t, encoding.JSON[selfish](), "selfish.selfish")
	wantRefused(t, encoding.JSON[Nest](), "Nest.Nest")
	wantAccepted(t, encoding.JSON[struct {
		*Nest `json:"-"`
		Name  string
	}]())
	wantAccepted(t, encoding.JSON[NamedNest]())
	wantRefused(t, encoding.JSON[struct {
		Page url.URL
	}](), "Page.User.username")
	// MarshalJSON is a method of the pointer, and elements of maps have no address.
	wantRefused(t, encoding.JSON[map[string]big.Int](), "[].neg")

	wantRefused(t, encoding.Gob[hidden](), "x")
	wantRefused(t, encoding.Gob[map[string][]hidden](), "[][].x")
	wantRefused(t, encoding.Gob[map[hidden]int](), "[key].x")
	wantRefused(t, encoding.Gob[struct {
		Hidden
		Name string
	}](), "Hidden.x")
}

func TestAnEmbeddedUnexportedTypeThatCannotBeSetIsRefused(t *testing.T) {
	type byPointer struct {
		*base
		Name string
	}
	wantRefused(t, encoding.JSON[byPointer](), "base")
	wantRefused(t, encoding.JSON[[]byPointer](), "[].base")
	wantRefused(t, encoding.Gob[byPointer](), "base")
	wantRefused(t, encoding.Gob[derived](), "base") // ID would vanish
	wantAccepted(t, encoding.JSON[derived]())
}

func TestATypeThatLosesNothingOrOnlyAPartIsAccepted(t *testing.T) {
	type dropped struct {
		sync.Mutex `json:"-"`
		Hidden     *hidden `json:"-"`
		Name       string
	}
	wantAccepted(t, encoding.JSON[dropped]())
	wantAccepted(t, encoding.JSON[struct {
		x int `json:"-"`
	}]())
	wantAccepted(t, encoding.JSON[twoParts]())
	wantAccepted(t, encoding.Gob[twoParts]())
	wantAccepted(t, encoding.JSON[struct{}]())
	wantAccepted(t, encoding.JSON[map[string]struct{}]())
	wantAccepted(t, encoding.JSON[struct{ _ int }]())
	wantAccepted(t, encoding.JSON[time.Time]())
	wantAccepted(t, encoding.JSON[[]big.Int]())
	wantAccepted(t, encoding.JSON[map[string]*big.Int]())
	wantAccepted(t, encoding.JSON[map[point]point]())
	wantAccepted(t, encoding.JSON[any]())
	wantAccepted(t, encoding.JSON[pair[struct{ A, B derived }, struct{ C derived }]]())
	wantAccepted(t, encoding.Gob[tree]())
	wantAccepted(t, encoding.Gob[url.URL]())
	wantAccepted(t, encoding.Gob[pair[point, *point]]())
	wantAccepted(t, encoding.Gob[struct {
		hidden
		Name string
	}]())
}

// The pointer would come back as nil.
func TestAPointerThatWouldVanishIsAnError(t *testing.T) {
	type node struct {
		Count *int
		Tags  *[]string
		Next  *node
		Byte  [2]**bool
		Some  map[string]*node
	}
	zero, none, text := 0, []string(nil), []string{"a"}
	var noBool *bool
	for path, v := range map[string]node{
		"Tags":           {Tags: &none},
		"Next.Next.Tags": {Next: &node{Next: &node{Tags: &none}}},
		"Byte[1]":        {Byte: [2]**bool{nil, &noBool}},
		"Some[a].Tags":   {Some: map[string]*node{"a": {Tags: &none}}},
	} {
		wantAppendErr(t, encoding.JSON[node](), v, "the pointer "+path+" would come back as nil")
		wantAppendErr(t, encoding.JSON[[]node](), []node{{}, v}, "[1]."+path)
	}
	wantAppendErr(t, encoding.JSON[**int](), new(*int), "the pointer itself")
	wantAppendErr(t, encoding.JSON[*any](), new(any), "the pointer itself")
	encode(t, encoding.JSON[node](), node{Count: &zero, Tags: &text, Next: &node{}})

	type counts struct {
		Count *int
		Text  *string
		Tags  *[]string
		When  *time.Time
		Next  *counts
		Deep  **int
		Many  *map[string]int
		Array *[2]int
	}
	noInt, one, noText, empty := (*int)(nil), new(int), "", map[string]int{}
	*one = 1
	for path, v := range map[string]counts{
		"Count":      {Count: &zero},
		"Text":       {Text: &noText},
		"Tags":       {Tags: &[]string{}},
		"When":       {When: &time.Time{}},
		"Next.Count": {Next: &counts{Count: &zero}},
		"Deep":       {Deep: &noInt},
		"Many":       {Many: new(map[string]int)},
	} {
		wantAppendErr(t, encoding.Gob[counts](), v, "the pointer "+path+" would come back as nil")
		wantAppendErr(t, encoding.Gob[map[string]*counts](),
			map[string]*counts{"a": &v}, "the pointer [a]."+path+" would")
	}
	roundTrip(counts{Count: one, Tags: &text, Next: &counts{}, Deep: &one, Many: &empty,
		Array: &[2]int{}}, counts{})(t, "Gob")
}

func TestJSONRefusesAStringThatIsNotUTF8(t *testing.T) {
	const bad = "a\xffb"
	wantAppendErr(t, encoding.JSON[string](), bad, "not UTF-8")
	wantAppendErr(t, encoding.JSON[*user](), &user{Name: bad}, "not UTF-8")
	wantAppendErr(t, encoding.JSON[map[string]any](), map[string]any{bad: 1}, "not UTF-8")
	wantAppendErr(t, encoding.JSON[any](), any([]any{user{Name: bad}}), "not UTF-8")
	wantAppendErr(t, encoding.JSON[derived](), derived{Name: bad}, "not UTF-8")
	for _, good := range []string{"\ufffd", `\ufffd`, `\\ufffd`, "grüße"} {
		roundTrip(user{Name: good})(t, "JSON")
	}
	type dropped struct {
		Raw  string `json:"-"`
		Name string
	}
	encode(t, encoding.JSON[dropped](), dropped{bad, "\ufffd"})
}
