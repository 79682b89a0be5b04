package codectest

import "bytes"

// memoryRules are about who owns which bytes.
func memoryRules[T any]() []rule[T] {
	return []rule[T]{
		{"append", "Append appends to dst, and leaves the bytes that are in it.", appendAppends[T]},
		{
			"append-keeps",
			"Append keeps no reference to the slice that it returns, which shares no " +
				"memory with the value.",
			appendKeepsNothing[T],
		},
		{"decode-input", "Decode does not write to its input.", decodeDoesNotWrite[T]},
		{"decode-keeps", "Decode keeps no reference to its input. Only a value may refer to it, " +
			"if the documentation says so, and must leave append no room to write to it.",
			decodeKeepsNothing[T]},
	}
}

func appendAppends[T any](s *suite[T]) {
	for v, e := range s.samples {
		for _, room := range []int{0, 1, len(e.data) / 2, len(e.data), 2*len(e.data) + 1000} {
			dst := append(make([]byte, 0, len("dst")+room), "dst"...)
			data, flags, err := appendKey(s.codec, dst, key, v)
			if err != nil {
				s.errorf("Append(%s): %v", show(v), err)
				continue
			}
			if !bytes.HasPrefix(data, []byte("dst")) || string(dst) != "dst" {
				s.errorf(
					"Append(%q, %s) = %.60q, which does not begin with dst",
					dst,
					show(v),
					data,
				)
				continue
			}
			got, err := s.decode(encoded{data[len("dst"):], flags})
			if err != nil || !s.same(got, v) {
				s.errorf("%s, appended to %d bytes with room for %d, is decoded as %s, %v",
					show(v), len(dst), room, show(got), err)
			}
		}
	}
}

// scribble overwrites data, and the bytes between its length and its capacity.
func scribble(data []byte) {
	data = data[:cap(data)]
	for i := range data {
		data[i] = ^data[i]
	}
}

func appendKeepsNothing[T any](s *suite[T]) {
	for v, e := range s.samples {
		for _, room := range []int{0, 2*len(e.data) + 1000} {
			own, ok := s.copyOf(e) // not v, which belongs to the caller of Run
			if !ok {
				continue
			}
			codec := s.New() // which has encoded nothing yet
			data, flags, err := appendKey(codec, make([]byte, 0, room), key, own)
			if err != nil {
				s.errorf("Append(%s): %v", show(own), err)
				continue
			}
			before := bytes.Clone(data)
			for _, next := range s.Values {
				_, _, _ = appendKey(codec, nil, key, next)
			}
			if !bytes.Equal(data, before) {
				s.errorf("the bytes of %s change from %.60q to %.60q when others are appended",
					show(v), before, data)
			}
			scribble(data)
			if !s.same(own, v) {
				s.errorf("%s changes to %s with the bytes that Append returned", show(v), show(own))
			}
			again, againFlags, err := appendKey(codec, nil, key, own)
			if err != nil || againFlags != flags {
				s.errorf("Append(%s) the second time: flags %#x, %v; want %#x",
					show(own), againFlags, err, flags)
				continue
			}
			if got, err := s.decode(encoded{again, flags}); err != nil || !s.same(got, v) {
				s.errorf("%s is decoded as %s, %v once the bytes of an earlier Append have changed",
					show(v), show(got), err)
			}
		}
	}
}

func decodeDoesNotWrite[T any](s *suite[T]) {
	for v, e := range s.samples {
		data := append(make([]byte, 0, len(e.data)+64), e.data...)
		whole := data[:cap(data)]
		before := bytes.Clone(whole)
		for n := len(e.data); n >= 0; n -= 1 + n/8 { // also damaged data
			_, _ = s.decode(encoded{data[:n], e.flags})
			if !bytes.Equal(whole, before) {
				s.errorf("Decode of %d bytes of %s changes its input from %.60q to %.60q",
					n, show(v), before, whole)
				copy(whole, before)
			}
		}
	}
}

func decodeKeepsNothing[T any](s *suite[T]) {
	for v, e := range s.samples {
		data := bytes.Clone(e.data)
		got, err := s.decode(encoded{data, e.flags})
		if err != nil {
			s.errorf("Decode(%.60q, %#x): %v", e.data, e.flags, err)
			continue
		}
		scribble(data)
		if !s.Aliases && !s.same(got, v) {
			s.errorf("%s changes to %s with the input of Decode", show(v), show(got))
		}
		if b, ok := any(got).([]byte); ok && cap(b) != len(b) {
			s.errorf("%s has room for more bytes, which append would write to the input", show(got))
		}
		if again, ok := s.copyOf(e); ok && !s.same(again, v) {
			s.errorf("%s is decoded as %s once the input of an earlier Decode has changed",
				show(v), show(again))
		}
	}
}
