package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A journal is a file with the keys that were copied: a title, and then a key on each line, in
// quotes as in Go.
type journal struct{ file *os.File }

// openJournal opens the journal in the file name, or creates it with the title. It returns the
// keys that it has. A line at the end that was not written whole is removed.
func openJournal(name, title string) (*journal, map[string]bool, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	j := &journal{file}
	keys, err := j.read(name, title)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return j, keys, nil
}

func (j *journal) read(name, title string) (map[string]bool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if err := j.file.Truncate(int64(whole)); err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	if whole == 0 {
		_, err := fmt.Fprintln(j.file, title)
		return keys, err
	}
	n := 0
	for line := range strings.Lines(string(text[:whole])) {
		line = strings.TrimSuffix(line, "\n")
		if n++; n == 1 {
			if line != title {
				return nil, wrongUse("the journal %s is not about this copy: it begins with %q, "+
					"want %q", name, line, title)
			}
			continue
		}
		key, err := strconv.Unquote(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the journal %s is not a key in quotes", n, name)
		}
		keys[key] = true
	}
	return keys, nil
}

// add adds keys.
func (j *journal) add(keys []string) error {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(strconv.Quote(key) + "\n")
	}
	_, err := j.file.WriteString(b.String())
	return err
}

// Close closes the file.
func (j *journal) Close() error { return j.file.Close() }
