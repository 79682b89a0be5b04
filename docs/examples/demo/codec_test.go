package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cachewire/cachewire/core"
)

var written = []struct {
	text  string
	value exports
}{
	{"symbols: 0\n", exports{}},
	{"symbols: 0, syntax errors\n", exports{broken: true}},
	{"symbols: 1\nfunc Ünïcode\n", exports{symbols: []string{"func Ünïcode"}}},
	{
		"symbols: 3, syntax errors\ntype Reader\nmethod Reader.Read\nvar EOF\n",
		exports{symbols: []string{"type Reader", "method Reader.Read", "var EOF"}, broken: true},
	},
}

func TestCodecWritesAndReadsBack(t *testing.T) {
	for _, tt := range written {
		data, flags, err := exportsCodec{}.Append([]byte("before|"), tt.value)
		if err != nil || flags != core.FlagText || string(data) != "before|"+tt.text {
			t.Errorf("Append(%+v) = %q, %d, %v; want %q behind what was there", tt.value, data, flags, err, tt.text)
		}
		for _, flags := range []uint32{core.FlagText, 0} {
			got, err := exportsCodec{}.Decode([]byte(tt.text), flags)
			if err != nil || !slices.Equal(got.symbols, tt.value.symbols) || got.broken != tt.value.broken {
				t.Errorf("Decode(%q, %d) = %+v, %v; want %+v", tt.text, flags, got, err, tt.value)
			}
		}
	}
}

var junk = []string{
	"",
	"\n",
	"symbols\n",
	"symbols: 2\nfunc A\n",          // a line is missing
	"symbols: 1\nfunc A\nfunc B\n",  // a line too many
	"symbols: 1\nfunc A",            // cut within the last line
	"symbols: 1",                    // cut within the heading
	"symbols: 1\nfunc \n",           // a name is missing
	"symbols: 1\nA\n",               // a kind is missing
	"symbols: 1\nimport fmt\n",      // no such kind
	"symbols: 01\nfunc A\n",         // not as Append writes it
	"symbols: 1, errors\nfunc A\n",  // not as Append writes it
	"symbols: 1\r\nfunc A\r\n",      // not as Append writes it
	`{"symbols":["func A"]}` + "\n", // somebody else's
}

func TestDecodeOfJunkIsAnError(t *testing.T) {
	for _, text := range junk {
		if got, err := (exportsCodec{}).Decode([]byte(text), core.FlagText); err == nil {
			t.Errorf("Decode(%q) = %+v, want an error", text, got)
		}
	}
	if got, err := (exportsCodec{}).Decode([]byte("symbols: 0\n"), core.FlagInt); err == nil {
		t.Errorf("Decode of an integer = %+v, want an error", got)
	}
}

// Whatever Decode accepts, Append writes in the same way.
func FuzzDecode(f *testing.F) {
	for _, tt := range written {
		f.Add([]byte(tt.text))
	}
	for _, text := range junk {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := exportsCodec{}.Decode(data, core.FlagText)
		if err != nil {
			return
		}
		again, _, err := exportsCodec{}.Append(nil, e)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q is read as %+v and written as %q, %v", data, e, again, err)
		}
	})
}
