package msgpack

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// maxDepth is how deep values may be nested; it is the limit of encoding/json. The decoder
// calls itself for each level, and would end the process when the stack is full.
const maxDepth = 10_000

var (
	errDepth    = fmt.Errorf("msgpack: values are nested more than %d deep", maxDepth)
	errReserved = errors.New("msgpack: the byte 0xc1, which is reserved")
	errEmptyExt = errors.New("msgpack: an empty extension")
)

// First bytes of values. Some of them include a number.
const (
	codeFixMap   = 0x80
	codeFixArray = 0x90
	codeFixStr   = 0xa0
	codeNil      = 0xc0
	codeReserved = 0xc1
	codeUint8    = 0xcc // 0xcd to 0xcf are for longer ones
	codeInt8     = 0xd0 // 0xd1 to 0xd3 are for longer ones
	codeInt64    = 0xd3
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf
	codeNegative = 0xe0 // and above, the numbers -32 to -1
)

// scan checks data before the decoder reads it, because the decoder allocates as many
// values as an array or a map claims to have, and calls itself for each level. scan
// returns an error unless data consists of complete values. There may be several of them,
// because a type with an EncodeMsgpack method may write more than one value in place of
// one.
//
// If the decoder finds an extension instead of a map, it skips the head of the extension,
// and reads the content as the map. scan does not check the content. So, if findTraps is
// true, scan returns the offsets, in ascending order, of the contents that look like maps:
// these are the traps, from which the decoder must not read on.
func scan(data []byte, findTraps bool) (traps []int, err error) {
	var space [32]int
	outer := space[:0]  // how many values are missing on each outer level
	left := math.MaxInt // how many values are missing on this level
	at := 0
	for at < len(data) {
		c := data[at]
		n := int(fixedForms[c].values)
		if length := int(fixedForms[c].length); length != 0 {
			at += length // if data is shorter, scan finds out at its end
		} else {
			next, values, err := head(data, at)
			if err != nil {
				return nil, err
			}
			if f := &forms[c&0x1f]; f.ext {
				inside := at + 1 + int(f.size) + 1 // after the length and the type
				if inside == next {
					return nil, errEmptyExt
				}
				if findTraps && maybeMap(data[inside]) {
					traps = append(traps, inside)
				}
			}
			at, n = next, values
		}
		left--
		if n > 0 {
			if len(outer) == maxDepth {
				return nil, errDepth
			}
			outer = append(outer, left)
			left = n
		}
		for left == 0 {
			left = outer[len(outer)-1]
			outer = outer[:len(outer)-1]
		}
	}
	if len(data) == 0 || at != len(data) || len(outer) != 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return traps, nil
}

// A form says what follows the first byte of a value.
type form struct {
	size uint8 // bytes of a number
	skip uint8 // bytes after the number: data of a fixed length, or the type of an extension
	each uint8 // values for each unit of the number; if 0, the number counts bytes
	ext  bool  // the value is an extension
}

// forms are the forms for the first bytes 0xc0 to 0xdf.
var forms = [32]form{
	0x04: {size: 1}, 0x05: {size: 2}, 0x06: {size: 4}, // bin
	0x07: {size: 1, skip: 1, ext: true}, 0x08: {size: 2, skip: 1, ext: true},
	0x09: {size: 4, skip: 1, ext: true},
	0x0a: {skip: 4}, 0x0b: {skip: 8}, // float
	0x0c: {skip: 1}, 0x0d: {skip: 2}, 0x0e: {skip: 4}, 0x0f: {skip: 8}, // uint
	0x10: {skip: 1}, 0x11: {skip: 2}, 0x12: {skip: 4}, 0x13: {skip: 8}, // int
	0x14: {skip: 1 + 1, ext: true}, 0x15: {skip: 1 + 2, ext: true}, 0x16: {skip: 1 + 4, ext: true},
	0x17: {skip: 1 + 8, ext: true}, 0x18: {skip: 1 + 16, ext: true},
	0x19: {size: 1}, 0x1a: {size: 2}, 0x1b: {size: 4}, // str
	0x1c: {size: 2, each: 1}, 0x1d: {size: 4, each: 1}, // array
	0x1e: {size: 2, each: 2}, 0x1f: {size: 4, each: 2}, // map
}

// fixedForms has, for each first byte that alone determines them, the number of bytes of
// the value and the number of values in it. For other first bytes the length is 0.
var fixedForms = func() (s [256]struct{ length, values uint8 }) {
	for c := range s {
		f := forms[c&0x1f]
		switch {
		case c < codeFixMap || c >= codeNegative:
			s[c].length = 1
		case c < codeFixArray:
			s[c].length, s[c].values = 1, 2*uint8(c-codeFixMap)
		case c < codeFixStr:
			s[c].length, s[c].values = 1, uint8(c-codeFixArray)
		case c < codeNil:
			s[c].length = 1 + uint8(c-codeFixStr)
		case f.size == 0 && !f.ext && c != codeReserved:
			s[c].length = 1 + f.skip
		}
	}
	return s
}()

// head returns where the value at data[at] ends. If it contains n values, head returns
// where the first of them begins. It returns an error if data is too short for the
// value, and for one byte of each value in it.
func head(data []byte, at int) (next, n int, err error) {
	c := data[at]
	at++
	var length, values uint64
	switch s := fixedForms[c]; {
	case s.length != 0:
		length, values = uint64(s.length)-1, uint64(s.values)
	case c == codeReserved:
		return 0, 0, errReserved
	default:
		f := &forms[c&0x1f]
		if len(data)-at < int(f.size) {
			return 0, 0, io.ErrUnexpectedEOF
		}
		var number uint64
		for _, b := range data[at : at+int(f.size)] {
			number = number<<8 | uint64(b)
		}
		at += int(f.size)
		if values = number * uint64(f.each); f.each == 0 {
			length = number + uint64(f.skip)
		}
	}
	if length+values > uint64(len(data)-at) {
		return 0, 0, io.ErrUnexpectedEOF
	}
	return at + int(length), int(values), nil
}

// maybeMap reports whether a value with this first byte is a map, or nil in place of one.
func maybeMap(c byte) bool {
	return c&0xf0 == codeFixMap || c == codeMap16 || c == codeMap32 || c == codeNil
}
