package memcachemeta

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/cachewire/cachewire/memcache"
)

// parseAll returns the replies that from contains, until the first error.
func parseAll(from io.Reader) (replies []reply, err error) {
	var p parser
	for {
		r, ok, err := p.next()
		if err != nil {
			return replies, err
		}
		if ok {
			r.key = bytes.Clone(r.key)
			replies = append(replies, r)
			continue
		}
		if err := p.fill(from); err != nil {
			if err == io.EOF && !p.isEmpty() {
				err = io.ErrUnexpectedEOF
			}
			return replies, err
		}
	}
}

// The expected values are from doc/protocol.txt of memcached.
func TestRepliesAreParsed(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 10_000)
	for text, want := range map[string][]reply{
		"HD\r\n":                 {{code: codeHD}},
		"HD O5 t-1 c9 W Z X\r\n": {{code: codeHD, has: 14, opaque: 5, ttl: -1, cas: 9}},
		"VA 0 \r\n\r\n":          {{code: codeVA, value: []byte{}}},
		"VA 2 f3 kfoo  b\r\n\r\n\r\n": {
			{code: codeVA, has: fieldFlags, flags: 3, value: []byte("\r\n")},
		},
		"EN\r\nNF O1\r\nMN\r\n": {
			{code: codeEN}, {code: codeNF, has: fieldOpaque, opaque: 1}, {code: codeMN},
		},
		"VALUE k 16 3 18446744073709551615\r\nabc\r\nEND\r\n": {
			{
				code: codeVALUE, has: fieldFlags | fieldCAS, key: []byte("k"),
				flags: 16, cas: 1<<64 - 1, value: []byte("abc"),
			},
			{code: codeEND},
		},
		"VA 100000 c7 O1\r\n" + string(long) + "\r\nHD\r\n": {
			{code: codeVA, has: fieldCAS | fieldOpaque, cas: 7, opaque: 1, value: long},
			{code: codeHD},
		},
		"SERVER_ERROR out of memory\r\n": {
			{code: codeError, err: memcache.NewReplyError("SERVER_ERROR out of memory")},
		},
	} {
		for name, from := range map[string]io.Reader{
			"at once":      bytes.NewReader([]byte(text)),
			"byte by byte": iotest.OneByteReader(bytes.NewReader([]byte(text))),
			"in halves":    iotest.HalfReader(bytes.NewReader([]byte(text))),
		} {
			got, err := parseAll(from)
			if err != io.EOF || !reflect.DeepEqual(got, want) {
				t.Errorf("%.60q %s: %+v, %v; want %+v", text, name, got, err, want)
			}
		}
	}
}

// A time-out in the middle of a reply loses nothing.
func TestParsingGoesOnAfterAnError(t *testing.T) {
	text := "VA 200000 O1\r\n" + string(bytes.Repeat([]byte("x"), 200_000)) + "\r\nHD O2\r\n"
	from := iotest.OneByteReader(bytes.NewReader([]byte(text)))
	timeout := errors.New("time-out")
	var p parser
	var got []reply
	for reads := 0; ; reads++ {
		r, ok, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			got = append(got, r)
			continue
		}
		if reads%3 == 0 {
			if err := p.fill(iotest.ErrReader(timeout)); err != timeout {
				t.Fatalf("error is %v, want %v", err, timeout)
			}
		}
		if p.fill(from) == io.EOF {
			break
		}
	}
	if len(got) != 2 || len(got[0].value) != 200_000 || got[1].opaque != 2 {
		t.Errorf("%d replies, want 2", len(got))
	}
}

// However the bytes arrive, the replies are the same, and a value has no more bytes than arrived.
func FuzzParser(f *testing.F) {
	for _, text := range []string{
		"HD O5 t-1 c9 W Z X\r\n", "VA 2 f3 kfoo b\r\n\r\n\r\nEN\r\n", "MN\r\n",
		"VALUE k 16 3 7\r\nabc\r\nEND\r\n", "VA 1073741824\r\nx", "ERROR\r\n",
		"VA 18446744073709551615 O1\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		atOnce, err := parseAll(bytes.NewReader(text))
		slowly, slowErr := parseAll(iotest.OneByteReader(bytes.NewReader(text)))
		if !reflect.DeepEqual(atOnce, slowly) || (err == io.EOF) != (slowErr == io.EOF) {
			t.Errorf("at once: %+v, %v; slowly: %+v, %v", atOnce, err, slowly, slowErr)
		}
		total := 0
		for _, r := range atOnce {
			total += len(r.value) + cap(r.value) - len(r.value)
		}
		if total > 2*len(text)+2*bufferLen {
			t.Errorf("%d bytes of values from %d", total, len(text))
		}
	})
}
