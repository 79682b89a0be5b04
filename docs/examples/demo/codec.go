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
// Most programs need no codec of their own: encoding.JSON[exports]() is a codec in one
// line, and core.Shared[exports]() needs no encoding at all if the cache keeps Go values.
// This one shows how to write a codec. Append appends to the bytes that it gets, and
// returns FlagText, because the value is text. Decode returns an error for everything that
// Append cannot have written. Another program may have written under the same key, or a
// server may have cut a value short. A wrong value would be worse than an error.
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

// Decode returns the exports that Append encoded as data.
func (exportsCodec) Decode(data []byte, flags uint32) (exports, error) {
	if flags != core.FlagText && flags != 0 { // 0: the backend keeps no flags
		return exports{}, fmt.Errorf("%w: flags %d", errNotExports, flags)
	}
	heading, body, complete := strings.Cut(string(data), "\n")
	e := exports{broken: strings.HasSuffix(heading, brokenMark)}
	for line := range strings.Lines(body) {
		var symbol string
		if symbol, complete = strings.CutSuffix(line, "\n"); !complete {
			break
		}
		kind, name, _ := strings.Cut(symbol, " ")
		if name == "" || !slices.Contains(kinds, kind) {
			return exports{}, fmt.Errorf("%w: line %q", errNotExports, symbol)
		}
		e.symbols = append(e.symbols, symbol)
	}
	if !complete || heading != e.heading() { // the heading has the number of lines
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
