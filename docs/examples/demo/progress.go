package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// A progress tells how far a piece of work is: on a terminal with a bar that is
// gone when the work is done, elsewhere with one line at the start and one at
// the end.
type progress struct {
	w     io.Writer
	width func() int // of the terminal; nil if w is none
	what  string
	total int
	done  atomic.Int64

	quit   chan struct{}
	drawer sync.WaitGroup
}

// redraw is the time between two pictures of the bar.
const redraw = 50 * time.Millisecond

// startProgress begins to tell on w of total steps. The caller calls stop when
// the work has ended, for whatever reason.
func startProgress(w io.Writer, what string, total int) *progress {
	return startProgressOn(w, terminalWidth(w), what, total)
}

func startProgressOn(w io.Writer, width func() int, what string, total int) *progress {
	p := &progress{w: w, width: width, what: what, total: total, quit: make(chan struct{})}
	if width == nil {
		fmt.Fprintf(w, "%s: %d files\n", what, total)
		return p
	}
	p.drawer.Go(p.draw)
	return p
}

// step tells that one more step is done. Many goroutines may call it at once.
func (p *progress) step() { p.done.Add(1) }

// stop ends the telling. The cursor is at the beginning of an empty line then.
func (p *progress) stop() {
	close(p.quit)
	p.drawer.Wait()
	if p.width == nil {
		fmt.Fprintf(p.w, "%s: %d of %d files done\n", p.what, p.done.Load(), p.total)
	}
}

func (p *progress) draw() {
	ticks := time.NewTicker(redraw)
	defer ticks.Stop()
	for {
		width := p.width()
		fmt.Fprint(p.w, "\r"+bar(p.what, int(p.done.Load()), p.total, width))
		select {
		case <-ticks.C:
		case <-p.quit:
			// Blanks and no escape sequence, which not every terminal knows.
			fmt.Fprint(p.w, "\r"+strings.Repeat(" ", max(width-1, 0))+"\r")
			return
		}
	}
}

// bar answers a picture such as
//
//	first pass [############                  ]  1740 of 4351
//
// for a terminal of width columns. It leaves some of them free: in the last one
// the cursor would wrap, and a terminal shows ^C where the cursor is.
func bar(what string, done, total, width int) string {
	const free, narrowest = 4, 3
	count := fmt.Sprintf("%*d of %d", len(fmt.Sprint(total)), done, total)
	room := width - free - len(what) - len(count) - len(" [] ")
	if room < narrowest {
		return count[:max(0, min(len(count), width-free))]
	}
	full := 0
	if total > 0 {
		full = room * done / total
	}
	return fmt.Sprintf("%s [%s%s] %s", what, strings.Repeat("#", full), strings.Repeat(" ", room-full), count)
}

// terminalWidth answers a function that answers the columns of w, which may
// change, or nil if w is not a terminal.
func terminalWidth(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 { // a terminal that does not tell
			return 80
		}
		return width
	}
}
