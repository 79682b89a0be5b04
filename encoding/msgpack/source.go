package msgpack

import (
	"errors"
	"io"
)

var (
	errTrailing  = errors.New("msgpack: bytes behind the end of the value")
	errExtension = errors.New("msgpack: an extension in the place of a map")
)

// A source is what a decoder reads from: data, byte by byte or in pieces, but no
// single byte at a trap, see scan. Extensions are read in pieces.
type source struct {
	data  []byte
	at    int
	traps []int
}

func (s *source) Read(p []byte) (int, error) {
	if s.at == len(s.data) && len(p) != 0 {
		return 0, io.ErrUnexpectedEOF // for the decoder never knows that it has read all
	}
	n := copy(p, s.data[s.at:])
	s.at += n
	return n, nil
}

func (s *source) ReadByte() (byte, error) {
	if s.at == len(s.data) {
		return 0, io.ErrUnexpectedEOF
	}
	for len(s.traps) != 0 && s.traps[0] <= s.at {
		if s.traps[0] == s.at {
			return 0, errExtension
		}
		s.traps = s.traps[1:]
	}
	b := s.data[s.at]
	s.at++
	return b, nil
}

// UnreadByte takes back a ReadByte.
func (s *source) UnreadByte() error {
	s.at--
	return nil
}
