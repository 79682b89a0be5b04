package memcachetest

import (
	"bufio"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// The binary protocol: the first byte of a request, and the size of its header,
// of which bytes 8 to 11 are the size of the body.
const (
	binaryMagic  = 0x80
	binaryHeader = 24
)

// readRequest reads one request. Each has an end that does not depend on how the
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

// dataSize answers the size of the data block that follows a command line, and
// false if none does.
func dataSize(line string) (int64, bool) {
	words := strings.Fields(line)
	at := 4 // <command> <key> <flags> <exptime> <bytes>
	switch {
	case len(words) == 0:
		return 0, false
	case words[0] == "ms": // ms <key> <datalen> <flags>*
		at = 2
	case words[0] != "set" && words[0] != "add" && words[0] != "replace" && words[0] != "cas" &&
		words[0] != "append" && words[0] != "prepend":
		return 0, false
	}
	if at >= len(words) {
		return 0, false
	}
	size, err := strconv.ParseUint(words[at], 10, 32)
	return int64(size), err == nil
}
