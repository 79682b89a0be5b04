package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// findChromium returns the path of the browser: that of the environment variable CHROMIUM, or
// the first one that is installed.
func findChromium() (string, error) {
	names := []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	}
	if name := os.Getenv("CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no browser is installed: apt-get install chromium, or set CHROMIUM")
}

// newBrowser starts a headless browser, which cancel ends. It has no sandbox, because that needs
// rights that a container rarely has: it must only load pages of this program.
func newBrowser(ctx context.Context, path string) (context.Context, context.CancelFunc) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(2*time.Minute)) // on a machine that is busy
	ctx, cancelBrowser := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancel := chromedp.NewContext(ctx)
	return ctx, func() { cancel(); cancelBrowser() }
}

// A look is how a page is looked at.
type look struct {
	name          string
	scheme        string // "light" or "dark"
	width, height int64
	phone         bool
}

var looks = []look{
	{"light", "light", 1000, 800, false},
	{"dark", "dark", 1000, 800, false},
	{"phone", "dark", 360, 740, true},
}

// set makes the browser look at pages like l.
func (l look) set() chromedp.Action[chromedp.Void] {
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if l.phone {
		options = []chromedp.EmulateViewportOption{chromedp.EmulateScale(2), chromedp.EmulateMobile}
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme},
	}}
	return chromedp.Steps(
		chromedp.EmulateViewport(l.width, l.height, options...),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, media)
			return err
		}))
}

// openDetails opens the details of the cache whose article the CSS selector selects. It does so in
// one step of the browser: the page replaces its elements while it is live, so that one that was
// looked up in a step before may be gone.
func openDetails(article string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](
		`document.querySelector("` + article + ` summary").click()`)
}
