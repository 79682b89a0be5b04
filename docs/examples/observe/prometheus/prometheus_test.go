package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestTheProgramServesTheMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- run(ctx, l) }()
	response, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`cachewire_backend_items{cache="users",driver="memory"} 1`,
		`cachewire_verb_duration_seconds_count` +
			`{cache="users",driver="memory",outcome="hit",verb="Get"} 1`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("the metrics have no %s:\n%s", want, text)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
