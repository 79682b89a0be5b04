package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe/page"
)

// A livePage shows the cache of the demo in a browser while the demo runs.
type livePage struct {
	page   *page.Page
	server *http.Server
	url    string
	failed chan error // has the error of the server
}

// serveLivePage serves a page at addr, such as localhost:8080.
func serveLivePage(addr string) (*livePage, error) {
	p, err := page.New(&page.Options{Keys: 10, LookUp: true})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-page: %w", err)
	}
	live := &livePage{
		page:   p,
		server: &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second},
		url:    "http://" + l.Addr().String() + "/",
		failed: make(chan error, 1),
	}
	go func() { live.failed <- live.server.Serve(l) }()
	return live, nil
}

// options returns the options of a cache that is on the page.
func (l *livePage) options() *core.Options {
	return &core.Options{Hooks: []core.Hook{l.page}}
}

// close ends the server and waits for it.
func (l *livePage) close() error {
	err := errors.Join(l.page.Close(), l.server.Close())
	if failed := <-l.failed; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}
