package main

import (
	"os"
	"strings"
	"testing"
)

func Example() {
	main()
	// Output: <h1>home</h1> <nil>
}

func TestReadmeShowsTheProgram(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// Absolute and not cleaned, so that go test takes README.md for a file of this module and
	// does not use a cached result after README.md has changed.
	readme, err := os.ReadFile(here + "/../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```go\n")
	block, _, ok := strings.Cut(block, "```\n")
	if !ok || block != string(program) {
		t.Errorf("the first go block of README.md is not docs/examples/readme/main.go, word for word; it is:\n%s", block)
	}
}
