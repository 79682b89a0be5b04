package conformance

import (
	"strings"

	"github.com/cachewire/cachewire/core"
)

var valueCases = []testCase{
	{
		id:   "value-empty",
		rule: "nil and the empty value are the same value, and reading it is a hit.",
		run: func(e *env) {
			e.must("Set", e.cache.Set(e.ctx, "nil", nil, 0))
			e.must("Set", e.cache.Set(e.ctx, "empty", []byte{}, 0))
			e.set("emptied", "v")
			e.must("Replace", e.cache.Replace(e.ctx, "emptied", nil, 0))
			for _, key := range []string{"nil", "empty", "emptied"} {
				e.wantValue(key, "")
				e.want("Add", e.cache.Add(e.ctx, key, []byte("v"), 0), core.ErrExists)
			}
			got, err := e.cache.GetMulti(e.ctx, []string{"nil", "empty"})
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, map[string]string{"nil": "", "empty": ""})
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(e.item("nil"), "v")))
			e.must("CompareAndSwap to the empty value",
				e.cache.CompareAndSwap(e.ctx, withValue(e.item("nil"), "")))
			e.wantValue("nil", "")
		},
	},
	{
		id:   "value-bytes",
		rule: "A value may be any bytes, including the words of a protocol.",
		run: func(e *env) {
			every := make([]byte, 256)
			for i := range every {
				every[i] = byte(i)
			}
			for i, value := range []string{
				string(every), "\r\n", "END\r\n", "v\r\nEND\r\nVALUE k 0 1\r\nx\r\nEND\r\n", "\x00",
				" ", "nil", "\xff\xfe", "STORED\r\n", "\x1f\x8b\x08 no gzip", "x\x9c no zlib",
				"{\"json\": 1}", "trailing ",
			} {
				key := numbered("k", i)
				e.set(key, value)
				e.wantValue(key, value)
			}
		},
	},
	{
		id: "value-too-large",
		rule: "If a value is too large, such as one longer than Traits.MaxValue, a store returns " +
			"ErrTooLarge; it never cuts or drops the value. The next verb works.",
		run: func(e *env) {
			limit := e.cache.Traits().MaxValue
			if limit == 0 {
				// There is no known limit. If the value is stored, it is stored whole.
				value := strings.Repeat("v", 3<<20)
				if err := e.cache.Set(e.ctx, "k", []byte(value), 0); err == nil {
					e.wantValue("k", value)
				} else {
					e.want("Set of 3 MiB", err, core.ErrTooLarge)
				}
				e.decline("a largest value, by Traits.MaxValue")
				return
			}
			e.must("Set of the largest value", e.cache.Set(e.ctx, "k", make([]byte, limit), 0))
			large := make([]byte, limit+1)
			e.want("Set", e.cache.Set(e.ctx, "large", large, 0), core.ErrTooLarge)
			e.want("Add", e.cache.Add(e.ctx, "large", large, 0), core.ErrTooLarge)
			e.wantMiss("large")
			e.set("old", "small")
			item := e.item("old")
			item.Value = large
			e.want("Replace", e.cache.Replace(e.ctx, "old", large, 0), core.ErrTooLarge)
			e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item), core.ErrTooLarge)
			values := map[string][]byte{"large": large, "small": []byte("v")}
			e.wantFailures("SetMulti", e.cache.SetMulti(e.ctx, values, 0),
				map[string]error{"large": core.ErrTooLarge})
			e.wantValue("small", "v")
		},
	},
}
