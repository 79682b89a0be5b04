package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe/page"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A site is a page in a browser.
type site struct {
	ctx    context.Context
	page   *page.Page
	caches []*core.Cache
	server *httptest.Server
	url    string

	mu     sync.Mutex
	faults []string // guarded by mu: what the browser has complained about
}

// open opens the page, mounted under a path, in a browser. It skips the test if there is no
// browser, and fails if there must be one, because CI is set.
func open(t *testing.T, path string, scripts bool) *site {
	t.Helper()
	program, err := findChromium()
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	p, err := page.New(&page.Options{Keys: 5, LookUp: true, Change: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancelTime := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancelTime)
	caches, err := openCaches(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	use(ctx, p, caches)
	mux := http.NewServeMux()
	mux.Handle(path, p)
	s := &site{page: p, caches: caches, server: httptest.NewServer(mux)}
	s.url = s.server.URL + path
	browser, cancel := newBrowser(ctx, program)
	s.ctx = browser
	t.Cleanup(func() {
		cancel()
		p.Close()
		s.server.Close()
		for _, c := range caches {
			c.Close()
		}
	})
	if err := chromedp.Listen(browser, s.listen); err != nil {
		t.Fatal(err)
	}
	off := emulation.SetScriptExecutionDisabledParams{Value: !scripts}
	s.run(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, logErr := cdp.Call(ctx, target, cdplog.Enable, cdp.Empty{})
		_, runErr := cdp.Call(ctx, target, runtime.Enable, cdp.Empty{})
		_, offErr := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, off)
		return errors.Join(logErr, runErr, offErr)
	}), chromedp.Navigate(s.url))
	return s
}

// listen records errors of the script and violations of the content policy.
func (s *site) listen(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		s.faults = append(s.faults, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		// The browser asks for an icon, and the test has no server for it.
		if e.Entry.Level == cdplog.EntryLevelError && !strings.Contains(e.Entry.URL, "favicon") {
			s.faults = append(s.faults, e.Entry.Text)
		}
	}
}

func (s *site) run(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(s.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// value returns the value of a JavaScript expression.
func value[T any](t *testing.T, s *site, expression string) T {
	t.Helper()
	v, err := chromedp.Run(s.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// text returns the text of the element that a CSS selector selects.
func (s *site) text(t *testing.T, selector chromedp.CSS) string {
	t.Helper()
	text, err := chromedp.Run(s.ctx, chromedp.Text(selector))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *site) wantNoFaults(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fault := range s.faults {
		t.Errorf("the browser reports: %s", fault)
	}
}

// wait waits until the JavaScript expression is true.
func (s *site) wait(t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(s.ctx, chromedp.Poll[bool](expression)); err != nil {
		t.Fatalf("waiting for %s: %v", expression, err)
	}
}

func TestThePageUpdatesItselfAndKeepsOpenWhatIsOpen(t *testing.T) {
	for _, path := range []string{"/debug/cache/", "/debug/cache"} {
		s := open(t, path, true)
		s.wait(t, `document.getElementById("state").textContent.startsWith("live, ")`)
		s.run(t, openDetails("article:nth-of-type(3)"))
		s.wait(t, `document.querySelector("article:nth-of-type(3) details").open`)
		value[bool](t, s, `window.same = true`)
		const items = `document.querySelectorAll(` +
			`"article:nth-of-type(3) .figures div")[5].textContent`
		if err := s.caches[0].Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.caches[0].Set(t.Context(), "k", nil, 0); err != nil {
			t.Fatal(err)
		}
		s.wait(t, items+` === "items1"`)
		s.wait(t, `window.same && document.querySelector("article:nth-of-type(3) details").open`)
		s.wantNoFaults(t)
		s.page.Close()
		s.server.CloseClientConnections()
		s.wait(t, `document.getElementById("state").textContent.startsWith("not live")`)
	}
}

func TestThePageIsReadableWithoutJavaScript(t *testing.T) {
	s := open(t, "/", false)
	text := s.text(t, "main")
	for _, want := range []string{"users", "hit ratio", "items", "reports", "unavailable"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q: %s", want, text)
		}
	}
	text = s.text(t, "#state")
	if !strings.HasPrefix(text, "loaded at") {
		t.Errorf("the state is %q", text)
	}
}

// contrast returns the texts of the page whose contrast to what is behind them is below 4.5, as
// WCAG 2.1, success criterion 1.4.3, wants.
const contrast = `(() => {
	const light = c => {
		const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map(v => {
			v /= 255;
			return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
		});
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (!/, 0\)$|transparent/.test(c)) return light(c);
		}
		return 1;
	};
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.getClientRects().length || e.tagName === "METER") continue;
		const a = light(getComputedStyle(e).color), b = behind(e);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.slice(0, 30) + " " + ratio);
	}
	return bad;
})()`

func TestThePageIsReadableInLightAndDarkAndOnAPhone(t *testing.T) {
	s := open(t, "/", true)
	for _, l := range looks {
		s.run(t, l.set(), chromedp.Navigate(s.url), openDetails("article"))
		s.wait(t, `document.querySelector("article details").open`)
		for _, text := range value[[]string](t, s, contrast) {
			t.Errorf("%s: the contrast is too low: %s", l.name, text)
		}
		wide := value[int64](t, s, `document.documentElement.scrollWidth`)
		if wide > l.width {
			t.Errorf("%s: the page is %d wide, the window %d", l.name, wide, l.width)
		}
		back := value[string](t, s, `getComputedStyle(document.body).backgroundColor`)
		want := "rgb(246, 247, 249)"
		if l.scheme == "dark" {
			want = "rgb(15, 18, 22)"
		}
		if back != want {
			t.Errorf("%s: the background is %s, want %s", l.name, back, want)
		}
	}
	s.wantNoFaults(t)
}

func TestTheFormsWorkInABrowser(t *testing.T) {
	s := open(t, "/debug/", true)
	users := s.caches[0]
	if err := users.Set(t.Context(), "k", []byte("the value"), 0); err != nil {
		t.Fatal(err)
	}
	press := func(action string, fields ...chromedp.Action[chromedp.Void]) (result string) {
		t.Helper()
		s.run(t, chromedp.Navigate(s.url),
			chromedp.SetValue(chromedp.CSS("select[name=cache]"), "users"),
			chromedp.SendKeys(chromedp.CSS("input[name=key]"), "k"), chromedp.Steps(fields...))
		button := chromedp.Click(chromedp.CSS(`button[value="` + action + `"]`))
		if _, err := chromedp.RunResponse(s.ctx, button); err != nil { // waits for the new page
			t.Fatal(err)
		}
		return s.text(t, "#result")
	}
	if got := press("look up"); !strings.Contains(got, "the value") {
		t.Errorf("look up: %s", got)
	}
	s.wait(t, `document.getElementById("state").textContent.startsWith("live, ")`)
	if got := press("delete"); !strings.Contains(got, `Deleted "k" from users`) {
		t.Errorf("delete: %s", got)
	}
	box := chromedp.Click(chromedp.CSS("input[name=sure]"))
	if got := press("flush", box); !strings.Contains(got, "Flushed users") {
		t.Errorf("flush: %s", got)
	}
	if stats, err := users.Stats(t.Context()); stats.Items != 0 || err != nil {
		t.Errorf("after the flush: %d items, %v", stats.Items, err)
	}
	s.wantNoFaults(t)
}

func TestScreenshotsAreWritten(t *testing.T) {
	if _, err := findChromium(); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	folder := t.TempDir()
	if err := run(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		png, err := os.ReadFile(folder + "/page-" + l.name + ".png")
		if err != nil || len(png) < 10000 || string(png[1:4]) != "PNG" {
			t.Errorf("%s: %d bytes, %v", l.name, len(png), err)
		}
	}
}
