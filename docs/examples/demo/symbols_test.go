package main

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestParseFileReturnsTheExportedNames(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      []string
		broken    bool
	}{
		{
			name: "each kind, and nothing below the top level",
			src: `package p
const A, b, C = 1, 2, 3
const (
	D = iota
	E
)
var F, g int
type H struct{ Field int }
type ( I = H; j int )
func K() { const L = 1; type M int }
func n() {}`,
			want: []string{
				"const A", "const C", "const D", "const E", "var F", "type H", "type I", "func K",
			},
		},
		{
			name: "methods of exported types only",
			src: `package p
func (h H) A() {}
func (h *H) B() {}
func (H) c() {}
func (l *list) D() {}
func (s Set[K]) E() {}
func (m *Map[K, V]) F() {}
func (m *(Map[_, _])) G() {}
func () J() {}`,
			want: []string{
				"method H.A", "method H.B", "method Set.E", "method Map.F", "method Map.G",
			},
		},
		{
			name: "nothing exported",
			src:  "package p\nfunc init() {}\nvar _ = 1",
		},
		{
			name:   "syntax errors",
			src:    "package p\nfunc A() {}\nfunc B( {\nfunc C() {}\n",
			want:   []string{"func A"},
			broken: true,
		},
		{name: "not Go", src: "\x00\xff <html>", broken: true},
		{name: "empty", src: "", broken: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"file.go": tt.src})
			got, err := parseFile(filepath.Join(dir, "file.go"))
			if err != nil {
				t.Fatal(err)
			}
			if tt.broken {
				// The parser may find more or fewer symbols after an error.
				got.symbols = got.symbols[:min(len(got.symbols), len(tt.want))]
			}
			if !slices.Equal(got.symbols, tt.want) || got.broken != tt.broken {
				t.Errorf("got %+v\nwant %q, broken %t", got, tt.want, tt.broken)
			}
		})
	}
}

func TestParseFileReturnsAnErrorIfTheFileIsAbsent(t *testing.T) {
	if _, err := parseFile(filepath.Join(t.TempDir(), "absent.go")); err == nil {
		t.Error("parseFile returned no error")
	}
}
