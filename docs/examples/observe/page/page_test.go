package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// The program ends although a browser has the live page open.
func TestTheProgramServesThePageAndEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- run(ctx, l) }()
	response, err := http.Get("http://" + l.Addr().String() + "/debug/cache/?stream=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	found := false
	for lines := bufio.NewScanner(response.Body); !found && lines.Scan(); {
		found = strings.Contains(lines.Text(), "memory://?max_items=10000")
	}
	if !found {
		t.Error("the page does not show the cache")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
