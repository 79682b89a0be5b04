package page_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/observe/page"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newPage(t testing.TB, opts *page.Options) *page.Page {
	t.Helper()
	p, err := page.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// newCache returns a cache that is on the page.
func newCache(t testing.TB, p *page.Page, b core.Backend, name string) *core.Cache {
	t.Helper()
	if b == nil {
		b = must(memory.New(nil))
	}
	c, err := core.New(b, &core.Options{Name: name, Hooks: []core.Hook{p}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := p.Add(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// get returns the response to a GET.
func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

var (
	tags   = regexp.MustCompile(`(?s)<(style|script).*?</(style|script)>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text returns what a reader sees of a page, with single spaces.
func text(w *httptest.ResponseRecorder) string {
	return spaces.ReplaceAllString(tags.ReplaceAllString(w.Body.String(), " "), " ")
}

func wantText(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	got := text(w)
	for _, want := range texts {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// post sends a form as the page would, with changes to the request.
func post(
	t *testing.T, p *page.Page, form url.Values, change ...func(r *http.Request),
) *httptest.ResponseRecorder {
	t.Helper()
	if form.Get("token") == "" {
		match := tokenField.FindStringSubmatch(get(p, "/").Body.String())
		if match == nil {
			t.Fatal("the page has no form")
		}
		form.Set("token", match[1])
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, change := range change {
		change(r)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// A faulty is a backend with methods that fail.
type faulty struct {
	*memory.Backend
	err   error
	stats func(ctx context.Context) (core.Stats, error)
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Backend.Get(ctx, key)
}

func (f *faulty) Stats(ctx context.Context) (core.Stats, error) { return f.stats(ctx) }
