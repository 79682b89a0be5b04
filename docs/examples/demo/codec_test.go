package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/codectest"
)

var encoded = []struct {
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

func TestDecodeReturnsWhatAppendEncoded(t *testing.T) {
	for _, tt := range encoded {
		data, flags, err := exportsCodec{}.Append([]byte("before|"), tt.value)
		if err != nil || flags != core.FlagText || string(data) != "before|"+tt.text {
			t.Errorf("Append(%+v) returned %q, %d, %v; want %q after the bytes of dst",
				tt.value, data, flags, err, tt.text)
		}
		for _, flags := range []uint32{core.FlagText, 0} {
			got, err := exportsCodec{}.Decode([]byte(tt.text), flags)
			if err != nil || !slices.Equal(got.symbols, tt.value.symbols) ||
				got.broken != tt.value.broken {
				t.Errorf("Decode(%q, %d) returned %+v, %v; want %+v",
					tt.text, flags, got, err, tt.value)
			}
		}
	}
}

var junk = []string{
	"",
	"\n",
	"symbols\n",
	"symbols: 2\nfunc A\n",          // a line is missing
	"symbols: 1\nfunc A\nfunc B\n",  // there is a line too many
	"symbols: 1\nfunc A",            // cut in the last line
	"symbols: 1",                    // cut in the heading
	"symbols: 1\nfunc \n",           // a name is missing
	"symbols: 1\nA\n",               // a kind is missing
	"symbols: 1\nimport fmt\n",      // the kind is unknown
	"symbols: 01\nfunc A\n",         // Append does not write it so
	"symbols: 1, errors\nfunc A\n",  // Append does not write it so
	"symbols: 1\r\nfunc A\r\n",      // Append does not write it so
	`{"symbols":["func A"]}` + "\n", // from another program
}

func TestDecodeOfJunkIsAnError(t *testing.T) {
	for _, text := range junk {
		if got, err := (exportsCodec{}).Decode([]byte(text), core.FlagText); err == nil {
			t.Errorf("Decode(%q) returned %+v, want an error", text, got)
		}
	}
	if got, err := (exportsCodec{}).Decode([]byte("symbols: 0\n"), core.FlagInt); err == nil {
		t.Errorf("Decode of an integer returned %+v, want an error", got)
	}
}

// FuzzDecode checks that Append encodes in the same way what Decode accepts.
func FuzzDecode(f *testing.F) {
	for _, tt := range encoded {
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
			t.Errorf("Decode(%q) returned %+v, which Append encodes as %q, error %v",
				data, e, again, err)
		}
	})
}

func TestTheCodecKeepsItsContract(t *testing.T) {
	codectest.Run(t, codectest.Config[exports]{
		New: func() core.Codec[exports] { return exportsCodec{} },
		Values: []exports{
			{symbols: []string{"type Reader", "method Reader.Read"}}, {broken: true}, {},
		},
	})
}
