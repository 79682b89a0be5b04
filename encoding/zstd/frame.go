package zstd

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

var (
	errTrailing  = errors.New("bytes after the end of the value")
	errSkippable = errors.New("a skippable frame instead of the value")
)

// The header of a block (RFC 8878, section 3.1.1.2).
const (
	blockHeader  = 3 // bytes, little endian; from the lowest bit on: last, type and size
	blockTypeRLE = 1 // one byte, repeated size times
	checksum     = 4 // bytes after the last block
)

// checkFrame returns an error unless src is exactly one frame. The decoder accepts more: it
// reads several frames, skips skippable frames, and returns no error if there is no frame.
func checkFrame(src []byte) error {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return err
	}
	if h.Skippable {
		return errSkippable
	}
	at := h.HeaderSize
	for last := false; !last; {
		if len(src)-at < blockHeader {
			return io.ErrUnexpectedEOF
		}
		head := uint32(src[at]) | uint32(src[at+1])<<8 | uint32(src[at+2])<<16
		last = head&1 != 0
		size := int(head >> 3)
		if head>>1&3 == blockTypeRLE {
			size = 1
		}
		at += blockHeader + size
	}
	if h.HasCheckSum {
		at += checksum
	}
	switch {
	case at > len(src):
		return io.ErrUnexpectedEOF
	case at < len(src):
		return errTrailing
	}
	return nil
}
