// Browser looks at the page of package page in a real browser. As a program, it makes the
// screenshots of the documentation; its tests check the page in light and dark, on a phone and
// without JavaScript.
//
//	go run ./observe/page/browser docs
package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/cachewire/cachewire/observe/page"
	"github.com/chromedp/chromedp"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: browser folder\n\nIt writes page-light.png, "+
			"page-dark.png and page-phone.png to the folder.")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, folder string) error {
	path, err := findChromium()
	if err != nil {
		return err
	}
	p, err := page.New(&page.Options{Keys: 5, LookUp: true, Change: true})
	if err != nil {
		return err
	}
	defer p.Close()
	caches, err := openCaches(ctx, p)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range caches {
			c.Close()
		}
	}()
	server := httptest.NewServer(p) // on loopback
	defer server.Close()
	defer p.Close() // before the server, which waits for the stream
	ctx, cancel := newBrowser(ctx, path)
	defer cancel()
	for _, l := range looks {
		use(ctx, p, caches)
		err := chromedp.Do(ctx, l.set(), chromedp.Navigate(server.URL),
			openDetails("article"))
		if err != nil {
			return err
		}
		const live = `document.getElementById("state").textContent.startsWith("live") &&
			document.querySelector("article details").open`
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool](live)); err != nil {
			return err
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		file := filepath.Join(folder, "page-"+l.name+".png")
		if err := os.WriteFile(file, png, 0o666); err != nil {
			return err
		}
	}
	return nil
}
