package page_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	"github.com/cachewire/cachewire/observe/page"
)

func Example() {
	ctx := context.Background()
	p, err := page.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	cache, err := core.Open(ctx, "memory://?max_items=1000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{p},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := p.Add(cache); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/cache/", p)

	w := httptest.NewRecorder() // a program calls http.ListenAndServe
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/cache/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "memory://?max_items=1000"))
	// Output: 200 true
}
