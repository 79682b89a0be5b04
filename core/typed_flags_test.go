package core_test

import (
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// needy answers what it is to FlagsNeeder.
type needy struct {
	words
	needs bool
}

func (n needy) NeedsFlags() bool { return n.needs }

func TestACodecThatNeedsFlagsIsUnsupportedWhereNoneAreKept(t *testing.T) {
	b := newFull()
	b.traits.NoFlags = true
	raw := open(t, b, nil)
	wantRefused(t, raw, needy{needs: true})
	wantRefused(t, view(t, raw, "prefix:"), needy{needs: true})
	err := core.NewTyped(raw, needy{needs: true}).Set(t.Context(), "k", "v", 0)
	if err == nil || !strings.Contains(err.Error(), "keeps no flags") {
		t.Errorf("error is %v", err)
	}
}

func TestACodecThatCanDoWithoutFlagsIsTakenEverywhere(t *testing.T) {
	for _, tt := range []struct {
		name           string
		noFlags, needs bool
	}{
		{"needs none, has none", true, false},
		{"needs none, has them", false, false},
		{"needs them, has them", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newFull()
			b.traits.NoFlags = tt.noFlags
			c := core.NewTyped(open(t, b, nil), needy{needs: tt.needs})
			wantErr(t, c.Set(t.Context(), "k", "v", 0), nil)
			if got, err := c.Get(t.Context(), "k"); got != "v" || err != nil {
				t.Errorf("Get = %q, %v; want v", got, err)
			}
		})
	}
}
