package readme

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

const exampleFile = "example_test.go"

func TestReadmeShowsTheExample(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// Absolute and not cleaned: go test then sees that the file is beneath this
	// module, in a way, and runs the test again when README.md has changed. A
	// file that is plainly outside, its cache of test results would not notice.
	readmeFile := here + "/../../../README.md"
	readme, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	block, err := firstGoBlock(string(readme))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	body, err := exampleBody(string(example))
	if err != nil {
		t.Fatalf("%s: %v", exampleFile, err)
	}
	if line := departs(block, body); line != "" {
		t.Errorf("the first go block of README.md must stand in the body of Example in docs/examples/readme/%s, word for word.\n"+
			"From this line on it does not:\n%s\n\nThe body is:%s", exampleFile, line, body)
	}
}

// firstGoBlock answers what stands between the first ```go and the ``` behind it.
func firstGoBlock(markdown string) (string, error) {
	var block strings.Builder
	inside := false
	for line := range strings.Lines(markdown) {
		switch fence := strings.TrimSpace(line); {
		case !inside:
			inside = fence == "```go"
		case fence == "```":
			if words(block.String()) == "" {
				return "", fmt.Errorf("the first ```go block is empty")
			}
			return block.String(), nil
		default:
			block.WriteString(line)
		}
	}
	if inside {
		return "", fmt.Errorf("the first ```go block has no end")
	}
	return "", fmt.Errorf("no ```go block")
}

// exampleBody answers the source between the braces of the function Example.
func exampleBody(src string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, exampleFile, src, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "Example" {
			start, end := fset.Position(f.Body.Lbrace), fset.Position(f.Body.Rbrace)
			return src[start.Offset+1 : end.Offset], nil
		}
	}
	return "", fmt.Errorf("no function Example")
}

// departs answers the first line of block up to which block does not stand in
// body, or "" if all of it does. White space is all the same.
func departs(block, body string) string {
	upTo := ""
	for line := range strings.Lines(block) {
		upTo += line
		if !strings.Contains(words(body), words(upTo)) {
			return strings.TrimRight(line, "\n")
		}
	}
	return ""
}

// words answers s with one space before, between and behind its words.
func words(s string) string {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return ""
	}
	return " " + strings.Join(fields, " ") + " "
}

func TestFirstGoBlock(t *testing.T) {
	for _, tt := range []struct{ markdown, want, err string }{
		{"# x\n```sh\nmake\n```\n```go\na := 1\nb := 2\n```\n```go\nc\n```\n", "a := 1\nb := 2\n", ""},
		{"text\n", "", "no ```go block"},
		{"```golang\nx\n```\n", "", "no ```go block"},
		{"```go\nx\n", "", "the first ```go block has no end"},
		{"```go\n \n```\n", "", "the first ```go block is empty"},
	} {
		got, err := firstGoBlock(tt.markdown)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("firstGoBlock(%q) = %q, %v; want %q, %s", tt.markdown, got, err, tt.want, tt.err)
		}
	}
}

func TestDeparts(t *testing.T) {
	body, err := exampleBody("package p\nfunc Other() { x() }\nfunc Example() {\n\ta := 1\n\tif a > 0 { // why\n\t\tb()\n\t}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	for block, want := range map[string]string{
		"a := 1\nif a > 0 {   // why\n    b()\n}\n": "",
		"if a > 0 { // why\n":                       "",
		"x()\n":                                     "x()",
		"a := 1\n\tb()\n":                           "\tb()",
		"a := 1\nif a > 0 { // because\n":           "if a > 0 { // because",
		"a := 11\n":                                 "a := 11",
		":= 1\n":                                    "",
		"= 1\n":                                     "= 1",
	} {
		if got := departs(block, body); got != want {
			t.Errorf("departs(%q) = %q, want %q", block, got, want)
		}
	}
}
