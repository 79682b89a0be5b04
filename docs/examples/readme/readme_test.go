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
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// go test runs this test again after README.md has changed only if it takes README.md
	// for a file of this module. It does so for a path that is absolute and not cleaned.
	readme, err := os.ReadFile(dir + "/../../../README.md")
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
		t.Errorf("the first go block of README.md differs from docs/examples/readme/main.go:\n%s",
			block)
	}
}
