//go:build (amd64 || arm64) && !plan9

package encoding_test

import "github.com/bytedance/sonic"

// sonicRivals is sonic, which does not compile for other processors, nor for Plan 9.
var sonicRivals = []rival{{
	"sonic alone",
	func([]byte) ([]byte, error) { return sonic.Marshal(&ann) },
	func(data []byte) (any, error) { var v user; err := sonic.Unmarshal(data, &v); return v, err },
	ann,
}}
