package page_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/observe/page"
)

// A pipeListener accepts connections in memory, so that a test can run in a bubble. They have
// no buffers: what a client does not read stops the server at once.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// serve serves h on a listener in memory. The returned channel has a value for each request
// whose handler has returned.
func serve(t *testing.T, h http.Handler) (*pipeListener, <-chan struct{}, *http.Server) {
	ended := make(chan struct{}, 100)
	l := &pipeListener{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		h.ServeHTTP(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l, ended, s
}

// openStream sends the request and reads the head of the response.
func openStream(t *testing.T, conn net.Conn) (*bufio.Reader, *http.Response) {
	t.Helper()
	go fmt.Fprint(conn, "GET /debug/?stream=1 HTTP/1.1\r\nHost: x\r\n\r\n")
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return in, response
}

// event reads one event and returns its data.
func event(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var data strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream has ended: %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return data.String()
		}
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			t.Fatalf("the line %q is no data", line)
		}
		data.WriteString(text + "\n")
	}
}

func TestTheStreamSendsTheFiguresEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, nil)
		c := newCache(t, p, nil, "users")
		l, ended, _ := serve(t, p)
		conn := l.dial()
		_, response := openStream(t, conn)
		if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type is %q", got)
		}
		in := bufio.NewReader(response.Body)
		if got := event(t, in); !strings.Contains(got, "users") || strings.Contains(got, "<body") {
			t.Errorf("the first event is %s", got)
		}
		_ = c.Set(t.Context(), "k", []byte("v"), 0)
		_, _ = c.Get(t.Context(), "k")
		start := time.Now()
		if got := event(t, in); !strings.Contains(got, "100.0 %") {
			t.Errorf("the second event is %s", got)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the second event came after %v", took)
		}
		for range 60 { // longer than the time for one update
			event(t, in)
		}
		conn.Close() // the browser leaves
		<-ended
	})
}

func TestAClientThatStopsReadingEndsItsStream(t *testing.T) {
	for _, events := range []int{0, 1, 30} {
		synctest.Test(t, func(t *testing.T) {
			p := newPage(t, nil)
			newCache(t, p, nil, "users")
			l, ended, _ := serve(t, p)
			conn := l.dial()
			defer conn.Close()
			if events == 0 {
				fmt.Fprint(conn, "GET /?stream=1 HTTP/1.1\r\nHost: x\r\n\r\n")
			} else {
				_, response := openStream(t, conn)
				in := bufio.NewReader(response.Body)
				for range events {
					event(t, in)
				}
			}
			start := time.Now()
			<-ended // it reads no more; without an end, the bubble is deadlocked
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("after %d events, the stream ended after %v", events, took)
			}
		})
	}
}

func TestCloseEndsStreamsSoThatAServerCanShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, nil)
		newCache(t, p, nil, "users")
		l, ended, s := serve(t, p)
		s.RegisterOnShutdown(func() { p.Close() })
		conn := l.dial()
		defer conn.Close()
		_, response := openStream(t, conn)
		go io.Copy(io.Discard, response.Body)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-ended
		p.Close() // again
		if w := get(p, "/?stream=1"); w.Code == http.StatusOK {
			t.Errorf("a stream after Close has status %d", w.Code)
		}
		wantText(t, get(p, "/"), 200, "users") // the page can still be loaded
	})
}

func TestMoreStreamsThanThereIsRoomForAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, nil)
		l, ended, _ := serve(t, p)
		var conns []net.Conn
		for range 64 {
			conn := l.dial()
			_, response := openStream(t, conn)
			go io.Copy(io.Discard, response.Body)
			conns = append(conns, conn)
		}
		conn := l.dial()
		_, response := openStream(t, conn)
		if response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("stream 65 has status %d", response.StatusCode)
		}
		<-ended
		conns[0].Close()
		<-ended
		conn2 := l.dial()
		if _, response := openStream(t, conn2); response.StatusCode != http.StatusOK {
			t.Errorf("a stream in the room of another has status %d", response.StatusCode)
		}
		for _, c := range append(conns, conn, conn2) {
			c.Close()
		}
	})
}

// A bare is an http.ResponseWriter without deadlines, as some middleware has it.
type bare struct{ http.ResponseWriter }

func TestAStreamWithoutDeadlinesIsRefused(t *testing.T) {
	p := newPage(t, &page.Options{})
	w := httptest.NewRecorder()
	p.ServeHTTP(bare{w}, httptest.NewRequest(http.MethodGet, "/?stream=1", nil))
	if w.Code != http.StatusNotImplemented ||
		!strings.Contains(w.Body.String(), errors.ErrUnsupported.Error()) &&
			!strings.Contains(w.Body.String(), "not supported") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
