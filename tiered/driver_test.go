package tiered_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/memory"
	_ "github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/tiered"
)

// tierURL returns the URL of a tier.
func tierURL(near, far string, more ...string) string {
	q := url.Values{"near": {near}, "far": {far}}
	for i := 0; i < len(more); i += 2 {
		q.Add(more[i], more[i+1])
	}
	return "tiered://?" + q.Encode()
}

func TestATierIsOpenedByItsURL(t *testing.T) {
	c, err := core.Open(t.Context(), tierURL("memory://?max_bytes=1MiB", "memory://?max_items=10",
		"near_ttl", "1m", "negative_ttl", "1s", "max_value", "1KiB", "bypass", "app:a",
		"bypass", "app:b", "bus", "poll", "max_stale", "3s", "poll", "20ms", "prefix", "app:"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var far *memory.Backend
	if !c.As(&far) {
		t.Fatal("As found no far half")
	}
	eventually(t, "the bus works", func() bool {
		s, err := c.Stats(t.Context())
		return err == nil && s.Near.BusUp
	})
	for _, key := range []string{"k", "a", "b"} {
		wantErr(t, "Set", c.Set(t.Context(), key, []byte("1"), 0), nil)
		_, err := c.Get(t.Context(), key)
		wantErr(t, "Get", err, nil)
		set(t, far, "app:"+key, "2", 0)
		got, err := c.Get(t.Context(), key)
		wantErr(t, "Get", err, nil)
		if want := map[string]string{"k": "1", "a": "2", "b": "2"}[key]; string(got) != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestAWrongURLSaysWhichHalfIsWrong(t *testing.T) {
	const mem = "memory://"
	for _, c := range []struct {
		rawURL string
		want   []string
	}{
		{"tiered://", []string{"parameter near is missing", "parameter far is missing"}},
		{"tiered://?near=memory%3A%2F%2F", []string{"parameter far is missing", "%26"}},
		{"tiered://host?near=a&far=b", []string{"want tiered://"}},
		{tierURL("nonsense://", mem), []string{"tiered: near: no driver for \"nonsense\""}},
		{tierURL(mem, "nonsense://"), []string{"tiered: far: no driver for \"nonsense\""}},
		{tierURL("memory://?max_item=1", mem), []string{": near: ", "max_item"}},
		{tierURL(mem, "memory://?max_item=1"), []string{": far: ", "max_item"}},
		{tierURL("null://", mem), nil},
		{tierURL(mem, "memory://?prefix=a"), []string{"far: the URL has the parameter prefix"}},
		{tierURL("memory://?default_ttl=1s", mem),
			[]string{"near: the URL has the parameter default_ttl"}},
		{tierURL(mem, mem, "near_ttl", "1ms"), []string{"parameter near_ttl", "at least 10ms"}},
		{tierURL(mem, mem, "negative_ttl", "3s"), []string{"NegativeTTL is 3s"}},
		{tierURL(mem, mem, "bypass", ""), []string{"Bypass has an empty prefix"}},
		{tierURL(mem, mem, "bus", "tracking"),
			[]string{"bus: the far half has no kinds", "none, poll"}},
		{tierURL(mem, mem, "poll", "1s"), []string{"parameter poll is set"}},
		{tierURL(mem, mem, "max_stale", "5s"), []string{"parameter max_stale is set"}},
		{tierURL(mem, mem, "bus", "poll", "poll", "2s"), []string{"PollOptions.Interval is 2s"}},
		{tierURL(mem, mem, "near_tll", "1s"), []string{`unknown parameter "near_tll"`}},
	} {
		cache, err := core.Open(t.Context(), c.rawURL, nil)
		if len(c.want) == 0 {
			wantErr(t, c.rawURL, err, nil)
			cache.Close()
			continue
		}
		wantErr(t, c.rawURL, err, core.ErrConfig)
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want an error with %q", c.rawURL, err, want)
			}
		}
	}
}

// A password in the URL of a half is hidden where URLs are shown, and never in an error.
func TestPasswordsOfHalvesAreNotShown(t *testing.T) {
	raw := tierURL("memory://", "nonsense://user:secret@host")
	if shown := core.RedactURL(raw); strings.Contains(shown, "secret") {
		t.Errorf("RedactURL: %s", shown)
	}
	_, err := core.Open(t.Context(), raw, nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Open: %v", err)
	}
}

// A failing is a backend whose Close fails.
type failing struct{ *memory.Backend }

var errOfClose = errors.New("close")

func (failing) Close() error { return errOfClose }

func TestCloseNamesThePartThatFailed(t *testing.T) {
	b := newTier(failing{newMemory()}, &tiered.Options{Bus: new(silentBus)})
	err := b.Close()
	wantErr(t, "Close", err, errOfClose)
	if err != nil && !strings.Contains(err.Error(), "far: ") {
		t.Errorf("Close: %v, want the name of the half", err)
	}
}

// A silentBus never gives a sign of life.
type silentBus struct{}

func (silentBus) Publish(context.Context, []string) error            { return nil }
func (silentBus) Subscribe(ctx context.Context, _ func(core.Notice)) { <-ctx.Done() }
func (silentBus) Close() error                                       { return nil }

// A file names the halves; both names stand for the same items.
func TestATierIsOpenedByTheNamesInAFile(t *testing.T) {
	var c config.Config
	err := json.Unmarshal([]byte(`{"default": "hot", "caches": {
		"local": {"url": "memory://?max_bytes=1MiB"},
		"shared": {"url": "memory://?max_items=100", "prefix": "app:"},
		"hot": {"near": "local", "far": "shared", "bus": "poll", "url": "tiered://?near_ttl=1m"}
	}}`), &c)
	wantErr(t, "Unmarshal", err, nil)
	caches := must(config.New(c, nil))
	defer caches.Close()
	hot := must(caches.Get(t.Context(), ""))
	var tier *tiered.Backend
	if !hot.As(&tier) {
		t.Fatal("the cache is no tier")
	}
	wantErr(t, "Set", hot.Set(t.Context(), "k", []byte("v"), 0), nil)
	wantValue(t, tier, "app:k", "v")
}
