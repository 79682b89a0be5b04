package codectest

import (
	"bytes"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// valueRules are about values that are stored and read.
func valueRules[T any]() []rule[T] {
	return []rule[T]{
		{"check", "Check accepts a backend that keeps the contract.", checkAccepts[T]},
		{"equal", "A value comes back equal, from the codec that wrote it and from a new one.",
			equalComesBack[T]},
		{"zero", "Zero, nil and empty values come back as they were, or Append refuses them.",
			zeroComesBack[T]},
		{"no-flags", "A value comes back equal if its flags are lost, or Check refuses a backend " +
			"that keeps no flags.", flagsMayBeLost[T]},
		{"refused", "A value that cannot be stored is refused, and does not affect the next one.",
			refusedIsHarmless[T]},
		{"version", "A value that another version of the type wrote is read.", versionsAreRead[T]},
		{"key", "A KeyedCodec refuses the value of another key, and being called without a key.",
			keysAreBound[T]},
		{"concurrent", "A codec may be used by many goroutines at once.", goroutinesShare[T]},
	}
}

func checkAccepts[T any](s *suite[T]) {
	if err := works(s.codec, core.Traits{}); err != nil {
		s.errorf("Check: %v", err)
	}
}

func equalComesBack[T any](s *suite[T]) {
	for range 2 { // a codec may keep something after the first value
		for v, e := range s.samples {
			for name, codec := range map[string]core.Codec[T]{"the": s.codec, "a new": s.New()} {
				got, err := decodeKey(codec, bytes.Clone(e.data), e.flags, key)
				if err != nil || !s.same(got, v) {
					s.errorf("%s is decoded by %s codec as %s, %v", show(v), name, show(got), err)
				}
			}
		}
	}
}

func zeroComesBack[T any](s *suite[T]) {
	for _, v := range variants(s.Values) {
		data, flags, err := appendKey(s.codec, nil, key, v)
		if err != nil {
			if p, ok := err.(panicked); ok {
				s.errorf("Append(%s): %v", show(v), p)
			}
			continue
		}
		if got, err := s.decode(encoded{data, flags}); err != nil || !s.same(got, v) {
			s.errorf("%s is decoded as %s, %v", show(v), show(got), err)
		}
	}
}

func flagsMayBeLost[T any](s *suite[T]) {
	if works(s.codec, core.Traits{NoFlags: true}) != nil {
		return
	}
	for v, e := range s.samples {
		if got, err := s.decode(encoded{e.data, 0}); err != nil || !s.same(got, v) {
			s.errorf("%s is decoded without flags as %s, %v", show(v), show(got), err)
		}
	}
}

func refusedIsHarmless[T any](s *suite[T]) {
	for _, bad := range s.Refused {
		for v := range s.samples {
			dst := append(make([]byte, 0, 1<<10), "dst"...)
			data, _, err := appendKey(s.codec, dst, key, bad)
			if _, ok := err.(panicked); err == nil || ok {
				s.errorf("Append(%s) = %.60q, %v; want an error", show(bad), data, err)
			}
			if string(dst) != "dst" {
				s.errorf("Append(%s) changes the bytes in dst to %q", show(bad), dst)
			}
			if e, ok := s.encode(v); ok {
				if got, ok := s.copyOf(e); ok && !s.same(got, v) {
					s.errorf("after %s, %s is decoded as %s", show(bad), show(v), show(got))
				}
			}
		}
	}
}

func versionsAreRead[T any](s *suite[T]) {
	for _, version := range s.Versions {
		data, flags, err := version.write()
		if err != nil {
			s.errorf("Append(%s): %v", version.text, err)
			continue
		}
		if got, err := s.decode(encoded{data, flags}); err != nil || !s.same(got, version.want) {
			s.errorf(
				"%s is decoded as %s, %v; want %s",
				version.text,
				show(got),
				err,
				show(version.want),
			)
		}
	}
}

func keysAreBound[T any](s *suite[T]) {
	if _, ok := s.codec.(core.KeyedCodec[T]); !ok {
		return
	}
	for v, e := range s.samples {
		for _, other := range []string{"codectest:2", "codectest:", "codectest:1\x00", ""} {
			if got, err := decodeKey(s.codec, e.data, e.flags, other); err == nil {
				s.errorf("the value of %q is decoded under %q as %s", key, other, show(got))
			}
		}
		if got, err := s.codec.Decode(e.data, e.flags); err == nil {
			s.errorf("Decode without a key = %s, want an error", show(got))
		}
		if data, _, err := s.codec.Append(nil, v); err == nil {
			s.errorf("Append without a key = %q, want an error", data)
		}
	}
}

func goroutinesShare[T any](s *suite[T]) {
	var mu sync.Mutex
	failed := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		s.errorf(format, args...)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				v := s.Values[(g+i)%len(s.Values)]
				if i%10 == 0 && len(s.Refused) != 0 {
					_, _, _ = appendKey(s.codec, nil, key, s.Refused[i/10%len(s.Refused)])
				}
				data, flags, err := appendKey(s.codec, nil, key, v)
				if err != nil {
					failed("Append(%s): %v", show(v), err)
					return
				}
				got, err := decodeKey(s.codec, data, flags, key)
				if err != nil || !s.same(got, v) {
					failed("%s is decoded as %s, %v", show(v), show(got), err)
					return
				}
				if !s.Bare && len(data) > 1 {
					got, err := decodeKey(s.codec, data[:len(data)-1], flags, key)
					if err == nil {
						failed("a part of %s is decoded as %s", show(v), show(got))
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
