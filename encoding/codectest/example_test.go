package codectest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
)

// A version has two numbers, and versions is a codec that stores it as text after a mark.
type (
	version  struct{ Major, Minor uint }
	versions struct{}
)

// Programs may use the flags from 7<<24 to 15<<24.
const flagVersion = 7 << 24

var errVersion = errors.New("not a version")

func (versions) Append(dst []byte, v version) ([]byte, uint32, error) {
	return fmt.Appendf(dst, "v%d.%d.", v.Major, v.Minor), flagVersion, nil
}

func (versions) Decode(data []byte, flags uint32) (v version, err error) {
	if data, err = encoding.Plain(data, flags, flagVersion); err != nil {
		return version{}, err
	}
	n, _ := fmt.Sscanf(string(data), "v%d.%d.", &v.Major, &v.Minor)
	// Sscanf accepts more than Append writes.
	if n != 2 || fmt.Sprintf("v%d.%d.", v.Major, v.Minor) != string(data) {
		return version{}, errVersion
	}
	return v, nil
}

// The whole test of a codec.
func TestVersions(t *testing.T) {
	codectest.Run(t, codectest.Config[version]{
		New:    func() core.Codec[version] { return versions{} },
		Values: []version{{1, 2}, {0, 300}, {10, 0}},
	})
}

// What the suite tests: TestVersions, below, is one call of codectest.Run.
func Example() {
	data, flags, err := versions{}.Append(nil, version{1, 2})
	fmt.Printf("%s %#x %v\n", data, flags, err)
	_, err = versions{}.Decode(data[:3], flags)
	fmt.Println(err)
	// Output:
	// v1.2. 0x7000000 <nil>
	// not a version
}
