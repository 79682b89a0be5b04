package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// exportsCodec turns exports into text and back:
//
//	symbols: 3
//	type Reader
//	method Reader.Read
//	func NewReader
//
// A program would not go to such lengths: encoding.JSON[exports]() is a codec in
// one line, and core.Shared[exports]() none at all where the cache keeps Go
// values. This one is here to show how a codec of one's own is written: it
// appends to what it is given, tells by FlagText what the bytes are, and answers
// an error for everything that it could not have written itself. Others may
// write under the same key, or a server may cut a value short, and a wrong
// answer is worse than none.
type exportsCodec struct{}

var kinds = []string{kindConst, kindVar, kindType, kindFunc, kindMethod}

// Append appends e to dst.
func (exportsCodec) Append(dst []byte, e exports) ([]byte, uint32, error) {
	dst = append(dst, e.heading()...)
	dst = append(dst, '\n')
	for _, symbol := range e.symbols {
		dst = append(dst, symbol...)
		dst = append(dst, '\n')
	}
	return dst, core.FlagText, nil
}

var errNotExports = errors.New("not a list of symbols")

// Decode answers what Append made data of.
func (exportsCodec) Decode(data []byte, flags uint32) (exports, error) {
	if flags != core.FlagText && flags != 0 { // 0: the backend keeps no flags
		return exports{}, fmt.Errorf("%w: flags %d", errNotExports, flags)
	}
	heading, body, whole := strings.Cut(string(data), "\n")
	e := exports{broken: strings.HasSuffix(heading, brokenMark)}
	for line := range strings.Lines(body) {
		var symbol string
		if symbol, whole = strings.CutSuffix(line, "\n"); !whole {
			break
		}
		kind, name, _ := strings.Cut(symbol, " ")
		if name == "" || !slices.Contains(kinds, kind) {
			return exports{}, fmt.Errorf("%w: line %q", errNotExports, symbol)
		}
		e.symbols = append(e.symbols, symbol)
	}
	if !whole || heading != e.heading() { // the heading counts the lines
		return exports{}, fmt.Errorf("%w: incomplete", errNotExports)
	}
	return e, nil
}

const brokenMark = ", syntax errors"

func (e exports) heading() string {
	heading := fmt.Sprintf("symbols: %d", len(e.symbols))
	if e.broken {
		heading += brokenMark
	}
	return heading
}
