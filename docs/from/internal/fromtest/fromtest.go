// Package fromtest runs the programs of the pages of docs/from.
package fromtest

import (
	"io"
	"os"
	"testing"
)

// Prints runs main, the function of a program, and reports an error unless it prints the text of
// ../output.txt. All programs of a page print the same.
func Prints(t *testing.T, main func()) {
	t.Helper()
	want, err := os.ReadFile("../output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := output(t, main); got != string(want) {
		t.Errorf("the program prints\n%swant\n%s", got, want)
	}
}

// output returns what main writes to standard output.
func output(t *testing.T, main func()) string {
	t.Helper()
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	os.Stdout = w
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- string(text)
	}()
	func() {
		defer w.Close()
		main()
	}()
	return <-read
}
