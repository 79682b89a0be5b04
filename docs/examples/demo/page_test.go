package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestThePageShowsTheCacheUntilTheDemoIsInterrupted(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	output, w := io.Pipe()
	code := make(chan int)
	go func() {
		args := []string{"-dir", dir, "-page", "127.0.0.1:0"}
		code <- run(ctx, args, func(string) string { return "" }, w, io.Discard)
		w.Close()
	}()
	url := ""
	buf := make([]byte, 1<<16)
	for printed := ""; url == ""; {
		n, err := output.Read(buf)
		if err != nil {
			t.Fatalf("%v: %s", err, printed)
		}
		printed += string(buf[:n])
		match := regexp.MustCompile(`live page is at (\S+/)\.`).FindStringSubmatch(printed)
		if match != nil {
			url = match[1]
		}
	}
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"memory://", "served from cache"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	interrupt()
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit code %d, want %d", got, exitInterrupted)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the page is served after the demo has ended")
	}
}

func TestAnAddressOfThePageThatIsTakenIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := runDemo(t.Context(), "", "-dir", writeTree(t, manyFiles(1)), "-page", l.Addr().String())
	o.want(t, exitFailed, "demo: -page: ", l.Addr().String())
}
