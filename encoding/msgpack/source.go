package msgpack

import (
	"errors"
	"io"
)

var (
	errTrailing  = errors.New("msgpack: bytes after the end of the value")
	errExtension = errors.New("msgpack: an extension instead of a map")
)

// A source is the input of a decoder. The decoder reads single bytes by ReadByte, which
// returns an error at a trap; see scan. It reads the content of extensions by Read, which
// ignores traps.
type source struct {
	data  []byte
	at    int
	traps []int
}

func (s *source) Read(p []byte) (int, error) {
	if s.at == len(s.data) && len(p) != 0 {
		return 0, io.ErrUnexpectedEOF // a decoder never needs to find the end
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

func (s *source) UnreadByte() error {
	s.at--
	return nil
}
