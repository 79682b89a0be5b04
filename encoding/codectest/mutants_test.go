package codectest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A note is what the codecs of these tests store.
type note struct {
	Name  string
	Tags  []string
	Count *int
}

// A mutant is encoding.JSON with a planted fault: a function that replaces a method.
type mutant struct {
	core.Codec[note]
	check  func(traits core.Traits) error
	append func(dst []byte, v note) ([]byte, uint32, error)
	decode func(data []byte, flags uint32) (note, error)
}

func (m *mutant) Check(traits core.Traits) error {
	if m.check == nil {
		return m.Codec.(core.CodecChecker).Check(traits)
	}
	return m.check(traits)
}

func (m *mutant) Append(dst []byte, v note) ([]byte, uint32, error) {
	if m.append == nil {
		return m.Codec.Append(dst, v)
	}
	return m.append(dst, v)
}

func (m *mutant) Decode(data []byte, flags uint32) (note, error) {
	if m.decode == nil {
		return m.Codec.Decode(data, flags)
	}
	return m.decode(data, flags)
}

// A mutation is a fault, the rules that must find it, and what plants it.
type mutation struct {
	fault string
	rules string
	plant func(m *mutant)
}

var errBad = errors.New("bad")

var faults = []mutation{
	{"Check refuses every backend", "check", func(m *mutant) {
		m.check = func(core.Traits) error { return errBad }
	}},
	{"a field is lost", "equal concurrent", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			v.Tags = nil
			return m.Codec.Append(dst, v)
		}
	}},
	{"only the codec that wrote a value reads it", "equal", func(m *mutant) {
		known := map[string]bool{}
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			data, flags, err := m.Codec.Append(dst, v)
			known[string(data[len(dst):])] = true
			return data, flags, err
		}
		m.decode = func(data []byte, flags uint32) (note, error) {
			if !known[string(data)] {
				return note{}, errBad
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"values after the first come back as the first", "equal", func(m *mutant) {
		var first []byte
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			if first == nil {
				first, _, _ = m.Codec.Append(nil, v)
			}
			return append(dst, first...), core.FlagText, nil
		}
	}},
	{"an empty slice comes back nil", "zero", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			v, err := m.Codec.Decode(data, flags)
			if len(v.Tags) == 0 {
				v.Tags = nil
			}
			return v, err
		}
	}},
	{"a pointer to zero comes back nil", "zero", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			v, err := m.Codec.Decode(data, flags)
			if v.Count != nil && *v.Count == 0 {
				v.Count = nil
			}
			return v, err
		}
	}},
	{"Append panics at nil", "zero", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			_ = *v.Count
			return m.Codec.Append(dst, v)
		}
	}},
	{"a value without flags is refused", "no-flags", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if flags == 0 {
				return note{}, errBad
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"a value without flags is decoded as zero", "no-flags", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if flags == 0 {
				return note{}, nil
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"a value that cannot be stored is stored", "refused", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			v.Name = strings.ToValidUTF8(v.Name, "")
			return m.Codec.Append(dst, v)
		}
	}},
	{"Append panics at a value that cannot be stored", "refused", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			data, flags, err := m.Codec.Append(dst, v)
			if err != nil {
				panic(err)
			}
			return data, flags, nil
		}
	}},
	{"a refused value is left in dst", "refused", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			data, flags, err := m.Codec.Append(dst, v)
			if err != nil {
				copy(dst, v.Name)
			}
			return data, flags, err
		}
	}},
	{"a refused value is left in the next one", "refused", func(m *mutant) {
		var left string
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			v.Name += left
			data, flags, err := m.Codec.Append(dst, v)
			if left = ""; err != nil {
				left = "left"
			}
			return data, flags, err
		}
	}},
	{"a field that T does not have is an error", "version", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			dec := json.NewDecoder(bytes.NewReader(data))
			dec.DisallowUnknownFields()
			var v note
			return v, dec.Decode(&v)
		}
	}},
	{"goroutines share the value that is encoded", "concurrent", func(m *mutant) {
		var mu sync.Mutex
		var shared note
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			mu.Lock()
			shared = v
			mu.Unlock()
			runtime.Gosched()
			mu.Lock()
			defer mu.Unlock()
			return m.Codec.Append(dst, shared)
		}
	}},
	{"Append returns the value without dst", "append", func(m *mutant) {
		m.append = func(_ []byte, v note) ([]byte, uint32, error) { return m.Codec.Append(nil, v) }
	}},
	{"Append overwrites dst", "append", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			return m.Codec.Append(dst[:0], v)
		}
	}},
	{"Append loses dst if it has no room", "append", func(m *mutant) {
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			if data, flags, err := m.Codec.Append(nil, v); len(data) > cap(dst)-len(dst) {
				return append(make([]byte, len(dst)), data...), flags, err
			}
			return m.Codec.Append(dst, v)
		}
	}},
	{"Append reuses the slice that it returned", "append-keeps", func(m *mutant) {
		var own []byte
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			if len(dst) != 0 {
				return m.Codec.Append(dst, v)
			}
			data, flags, err := m.Codec.Append(nil, v)
			if own == nil {
				own = make([]byte, 1<<10)
			}
			clear(own)
			return own[:copy(own, data)], flags, err
		}
	}},
	{"Append keeps what it has encoded in dst", "append-keeps", func(m *mutant) {
		kept := map[string][]byte{}
		m.append = func(dst []byte, v note) ([]byte, uint32, error) {
			if data, ok := kept[v.Name]; ok {
				return append(dst, data...), core.FlagText, nil
			}
			data, flags, err := m.Codec.Append(dst, v)
			kept[v.Name] = data[len(dst):]
			return data, flags, err
		}
	}},
	{"Decode writes to its input", "decode-input", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			v, err := m.Codec.Decode(data, flags)
			clear(data)
			return v, err
		}
	}},
	{"Decode writes behind its input", "decode-input", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			return m.Codec.Decode(append(data, '\n'), flags)
		}
	}},
	{"Decode keeps its input", "decode-keeps", func(m *mutant) {
		var mu sync.Mutex
		kept := map[int][]byte{} // by length, like a buffer that is reused
		m.decode = func(data []byte, flags uint32) (note, error) {
			mu.Lock()
			defer mu.Unlock()
			if old, ok := kept[len(data)]; ok {
				return m.Codec.Decode(old, flags)
			}
			kept[len(data)] = data
			return m.Codec.Decode(data, flags)
		}
	}},
	{"the end of a value may be missing", "cut concurrent", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if len(data) > 1 && data[0] == '{' && data[len(data)-1] != '}' {
				data = append(slices.Clone(data), '}')
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"an empty value is zero", "cut", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if len(data) == 0 {
				return note{}, nil
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"bytes after the value change it", "extended", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			end := bytes.LastIndexByte(data, '}') + 1
			v, err := m.Codec.Decode(data[:end], flags)
			v.Name += string(data[end:])
			return v, err
		}
	}},
	{"Decode panics at a quote that is missing", "mutated", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if bytes.Count(data, []byte(`"`))%2 != 0 {
				panic("odd quotes")
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"Decode returns a value that Append refuses", "mutated", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			v, err := m.Codec.Decode(data, flags)
			if v.Name != "" && v.Name[0] > 0x7e {
				v.Name = "\xff"
			}
			return v, err
		}
	}},
	{"Decode allocates as much as a length claims", "memory", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if len(data) > 4 {
				_ = make([]byte, min(binary.BigEndian.Uint32(data[1:]), 1<<26))
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"Decode allocates for each byte", "memory", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			for range data {
				_ = append([]byte(nil), make([]byte, 4000)...)
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"decompression has no limit", "bomb", func(m *mutant) {
		m.Codec = encoding.JSON[note]()
	}},
	{"the limit is far above the documented one", "bomb", func(m *mutant) {
		m.Codec = encoding.Compress(encoding.JSON[note](), &encoding.CompressOptions{
			Threshold: encoding.Never, MaxSize: 2 * maxSize})
	}},
	{"compressed values are refused", "bomb", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if flags&core.FlagZlib != 0 {
				return note{}, errBad
			}
			return m.Codec.Decode(data, flags)
		}
	}},
	{"flags are ignored", "flags", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) { return m.Codec.Decode(data, 0) }
	}},
	{"the high flags are ignored", "flags", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			return m.Codec.Decode(data, flags&0xffffff)
		}
	}},
	{"data that cannot be decoded is zero", "foreign cut", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			v, _ := m.Codec.Decode(data, flags)
			v.Tags = append(v.Tags, "")[:len(v.Tags)]
			return v, nil
		}
	}},
	{"an integer is a note", "foreign", func(m *mutant) {
		m.decode = func(data []byte, flags uint32) (note, error) {
			if n, err := encoding.Int[int]().Decode(data, flags); err == nil {
				return note{Name: "number", Count: &n}, nil
			}
			return m.Codec.Decode(data, flags)
		}
	}},
}
