package patterns_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
)

func TestNewRefusesWrongOptions(t *testing.T) {
	c := memoryCache(t)
	d, tags := must(dependency.New(c, nil)), must(dependency.NewTags(c, nil))
	typed := must(core.NewTyped(c, encoding.Text()))
	const limitedTTL = "a TTL other than core.Forever, in Options or as the default of the cache"
	for _, tt := range []struct {
		want string
		opts options
	}{
		{"Options.TTL is -1s; want 0 or more", options{TTL: -time.Second}},
		{"Options.LockTTL is -1ns; want 0 or more", options{LockTTL: -1}},
		{"Options.WaitTimeout is -1ns; want 0 or more", options{WaitTimeout: -1}},
		{"Options.NegativeTTL is -1ns; want 0 or more", options{NegativeTTL: -1}},
		{"Options.SoftTTL is -1ns; want 0 or more", options{SoftTTL: -1}},
		{"Options.FailSafe is -1ns; want 0 or more", options{FailSafe: -1}},
		{"Options.SoftTimeout is -1ns; want 0 or more", options{SoftTimeout: -1}},
		{
			"Options.SoftTTL is 1m0s; want less than the TTL, which is 1m0s",
			options{SoftTTL: time.Minute, TTL: time.Minute},
		},
		{
			"Options.SoftTTL is 2562047h47m16.854775807s; want less than the TTL, which is core.",
			options{SoftTTL: core.Forever},
		},
		{"Options.Early is NaN; want 0 or more", options{TTL: 1, Early: math.NaN()}},
		{
			"Options.Early is 1, and items never expire; want a SoftTTL, or " + limitedTTL,
			options{Early: 1},
		},
		{
			"Options.Early is 2, and items never expire; want a SoftTTL, or " + limitedTTL,
			options{Early: 2, TTL: core.Forever},
		},
		{
			"Options.FailSafe is 1m0s, and items never expire; want " + limitedTTL,
			options{FailSafe: time.Minute},
		},
		{
			"Options.FailSafe is 1s, and items never expire; want " + limitedTTL,
			options{FailSafe: time.Second, TTL: core.Forever},
		},
		{
			"Options.SoftTimeout is 1ns, and FailSafe is 0; want FailSafe as well",
			options{TTL: 1, SoftTimeout: 1},
		},
		{
			"Options have a Dependency and Tags; want at most one of them",
			options{Dependency: d, Tags: tags},
		},
		{"Options.Linger is -1ns; want 0 or more", options{Linger: -1}},
		{"Options.Pause is -1ns; want 0 or more", options{Pause: -1}},
		{"Options.ErrorTTL is -1ns; want 0 or more", options{ErrorTTL: -1}},
		{"Options.Jitter is 1; want 0 or more, and less than 1", options{Jitter: 1}},
		{"Options.Jitter is -0.1; want 0 or more", options{Jitter: -0.1}},
		{"Options.Jitter is NaN; want 0 or more", options{Jitter: math.NaN()}},
		{
			"Options have NamesOf, but neither Dependency nor Tags; want one of them",
			options{NamesOf: func(string, string) []string { return nil }},
		},
		{
			"Options.Prefix is 65536 bytes long; want at most 65465",
			options{Prefix: strings.Repeat("p", core.MaxKeyLen)},
		},
	} {
		cached, err := patterns.New(typed, &tt.opts)
		wanted := "cachewire: invalid configuration: patterns: " + tt.want
		if cached != nil ||
			!errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), wanted) {
			t.Errorf("New = %v, %v; want nil and %s", cached, err, wanted)
		}
	}
	cached, err := patterns.New[string](nil, nil)
	if !errors.Is(err, core.ErrConfig) || cached != nil {
		t.Errorf("New(nil) = %v, %v; want ErrConfig", cached, err)
	}
}
