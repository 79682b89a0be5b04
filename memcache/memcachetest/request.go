package memcachetest

import (
	"bufio"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// A request of the binary protocol begins with a header. Bytes 8 to 11 of the header are the
// size of the body.
const (
	binaryMagic  = 0x80 // the first byte
	binaryHeader = 24   // the size of the header
)

// readRequest reads one request. Where it ends depends only on its content, not on how the
// bytes arrive.
func readRequest(r *bufio.Reader) (string, error) {
	if first, err := r.Peek(1); err != nil {
		return "", err
	} else if first[0] == binaryMagic {
		return readBinaryRequest(r)
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return line, err
	}
	size, ok := dataSize(line)
	if !ok {
		return line, nil
	}
	var data strings.Builder
	_, err = io.CopyN(&data, r, size+int64(len("\r\n")))
	return line + data.String(), err
}

func readBinaryRequest(r *bufio.Reader) (string, error) {
	header := make([]byte, binaryHeader)
	if n, err := io.ReadFull(r, header); err != nil {
		return string(header[:n]), err
	}
	var body strings.Builder
	_, err := io.CopyN(&body, r, int64(binary.BigEndian.Uint32(header[8:])))
	return string(header) + body.String(), err
}

// dataSize returns the size of the data block that follows a command line. It returns false
// if there is none.
func dataSize(line string) (int64, bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return 0, false
	}
	var index int // of the size in words
	switch words[0] {
	case "set", "add", "replace", "cas", "append", "prepend":
		index = 4 // <command> <key> <flags> <exptime> <bytes>
	case "ms":
		index = 2 // ms <key> <datalen> <flags>*
	default:
		return 0, false
	}
	if index >= len(words) {
		return 0, false
	}
	size, err := strconv.ParseUint(words[index], 10, 32)
	return int64(size), err == nil
}
