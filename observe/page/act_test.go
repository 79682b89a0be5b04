package page_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe/page"
)

func form(action, cache, key string) url.Values {
	return url.Values{"action": {action}, "cache": {cache}, "key": {key}}
}

func TestFormsLookUpDeleteAndFlush(t *testing.T) {
	p := newPage(t, &page.Options{LookUp: true, Change: true})
	c := newCache(t, p, nil, "users")
	ctx := t.Context()
	item := core.Item{Key: "k", Value: []byte("a value\nof two lines"), Flags: 16, TTL: time.Hour}
	if err := c.Store(ctx, core.Set, item); err != nil {
		t.Fatal(err)
	}
	_ = c.Set(ctx, "forever", bytes.Repeat([]byte("x"), 5000), 0)
	_ = c.Set(ctx, "binary", []byte{0, 1, 0xff}, 0)
	_ = c.Set(ctx, "cut", []byte(strings.Repeat("x", 4095)+"é"), 0)
	wantText(t, post(t, p, form("look up", "users", "k")), 200,
		"&#34;k&#34; in users", "length 20 bytes", "flags 16", "time to live",
		"a value of two lines")
	wantText(t, post(t, p, form("look up", "users", "forever")), 200,
		"length 5000 bytes", "never expires", "the first 4096 bytes")
	wantText(t, post(t, p, form("look up", "users", "binary")), 200, "00 01 ff")
	wantText(t, post(t, p, form("look up", "users", "cut")), 200, "xxxx")
	newCache(t, p, nil, "a  b") // a browser sends such a name only if it is an attribute
	w := post(t, p, form("look up", "users", "k"))
	for _, want := range []string{
		`<option value="a  b">`, `<option value="users" selected>`, `name="key" value="k"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the form has no %s after it was sent", want)
		}
	}
	wantText(t, post(t, p, form("look up", "users", "absent")), 404, "Failed: No such key")
	wantText(t, post(t, p, form("look up", "users", "")), 400, "Failed:", "invalid key")
	wantText(t, post(t, p, form("delete", "users", "k")), 200, "Deleted &#34;k&#34; from users")
	wantText(t, post(t, p, form("delete", "users", "k")), 404, "No such key")
	wantText(t, post(t, p, form("flush", "users", "")), 400, "tick the box")
	if _, err := c.Get(ctx, "binary"); err != nil {
		t.Errorf("a flush without the box: %v", err)
	}
	sure := form("flush", "users", "")
	sure.Set("sure", "yes")
	w = post(t, p, sure)
	wantText(t, w, 200, "Flushed users")
	if strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
		t.Error("a result is replaced after five seconds")
	}
	if _, err := c.Get(ctx, "binary"); err != core.ErrMiss {
		t.Errorf("after the flush: %v", err)
	}
}

func TestFormsDoOnlyWhatTheProgramAllows(t *testing.T) {
	actions := map[string]bool{"look up": true, "delete": true, "flush": true}
	for _, opts := range []page.Options{{}, {LookUp: true}, {Change: true}} {
		p := newPage(t, &opts)
		c := newCache(t, p, nil, "users")
		_ = c.Set(t.Context(), "k", []byte("v"), 0)
		shown := get(p, "/").Body.String()
		for action := range actions {
			allowed := opts.LookUp && action == "look up" || opts.Change && action != "look up"
			if strings.Contains(shown, `value="`+action+`"`) != allowed {
				t.Errorf("%+v: the button %q is shown: %v", opts, action, !allowed)
			}
			f := form(action, "users", "k")
			f.Set("sure", "yes")
			if !opts.LookUp && !opts.Change {
				f.Set("token", "guessed") // the page shows none
			}
			w := post(t, p, f)
			if !allowed && w.Code != http.StatusForbidden {
				t.Errorf("%+v: %s has status %d, want 403", opts, action, w.Code)
			}
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	p := newPage(t, &page.Options{LookUp: true, Change: true})
	c := newCache(t, p, nil, "users")
	_ = c.Set(t.Context(), "k", []byte("v"), 0)
	withToken := func(token string) url.Values {
		f := form("delete", "users", "k")
		f.Set("token", token)
		return f
	}
	otherPage := newPage(t, &page.Options{Change: true})
	newCache(t, otherPage, nil, "users")
	other := tokenField.FindStringSubmatch(get(otherPage, "/").Body.String())[1]
	crossSite := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	origin := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	inQuery := func(r *http.Request) { // only the body counts
		r.URL.RawQuery = "token=" + tokenField.FindStringSubmatch(get(p, "/").Body.String())[1]
	}
	wantText(t, post(t, p, withToken("wrong")), 403, "load the page again")
	wantText(t, post(t, p, withToken(other)), 403, "load the page again")
	wantText(t, post(t, p, withToken("wrong"), inQuery), 403)
	wantText(t, post(t, p, form("delete", "users", "k"), crossSite), 403)
	wantText(t, post(t, p, form("delete", "users", "k"), origin), 403)
	if _, err := c.Get(t.Context(), "k"); err != nil {
		t.Fatalf("a refused form deleted the item: %v", err)
	}
	wantText(t, post(t, p, form("nonsense", "users", "k")), 400, "unknown action")
	wantText(t, post(t, p, form("delete", "nonsense", "k")), 404, "no such cache")
	wantText(t, post(t, p, form("delete", "users", strings.Repeat("k", 1<<20))), 400)
	// The longest key. Each of its bytes takes three in a form.
	wantText(t, post(t, p, form("delete", "users", strings.Repeat("\xff", core.MaxKeyLen))), 404,
		"No such key")
}

func TestAFailedCacheIsTheResultOfAForm(t *testing.T) {
	p := newPage(t, &page.Options{LookUp: true, Change: true})
	c := newCache(t, p, nil, "users")
	c.Close()
	wantText(t, post(t, p, form("delete", "users", "k")), 502, "Failed:", "closed")
}
