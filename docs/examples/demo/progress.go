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

// A progress shows how many steps of a piece of work are done. On a terminal it draws a
// bar, and removes it when the work ends. Otherwise it prints a line at the start and one
// at the end.
type progress struct {
	w     io.Writer
	width func() int // returns the width of the terminal; nil if w is not one
	title string
	total int
	done  atomic.Int64

	quit   chan struct{}
	drawer sync.WaitGroup
}

// redrawInterval is the time between two drawings of the bar.
const redrawInterval = 50 * time.Millisecond

// startProgress starts to show on w the progress of work with total steps. The caller must
// call stop when the work ends, even if it fails.
func startProgress(w io.Writer, title string, total int) *progress {
	return startProgressOn(w, terminalWidth(w), title, total)
}

func startProgressOn(w io.Writer, width func() int, title string, total int) *progress {
	p := &progress{w: w, width: width, title: title, total: total, quit: make(chan struct{})}
	if width == nil {
		fmt.Fprintf(w, "%s: %d files\n", title, total)
		return p
	}
	p.drawer.Go(p.draw)
	return p
}

// step counts one more step as done. Many goroutines may call it at once.
func (p *progress) step() { p.done.Add(1) }

// stop ends the progress. Afterwards the cursor is at the beginning of an empty line.
func (p *progress) stop() {
	close(p.quit)
	p.drawer.Wait()
	if p.width == nil {
		fmt.Fprintf(p.w, "%s: %d of %d files done\n", p.title, p.done.Load(), p.total)
	}
}

func (p *progress) draw() {
	ticks := time.NewTicker(redrawInterval)
	defer ticks.Stop()
	for {
		width := p.width()
		fmt.Fprint(p.w, "\r"+bar(p.title, int(p.done.Load()), p.total, width))
		select {
		case <-ticks.C:
		case <-p.quit:
			// Blanks, because not every terminal knows the escape sequence.
			fmt.Fprint(p.w, "\r"+strings.Repeat(" ", max(width-1, 0))+"\r")
			return
		}
	}
}

// bar returns a drawing such as
//
//	first pass [############                  ]  1740 of 4351
//
// for a terminal with width columns. It leaves the last columns free: in the last one the
// cursor would wrap, and a terminal prints ^C at the cursor. If the terminal is too narrow
// for a bar, bar returns as much of the numbers as fits.
func bar(title string, done, total, width int) string {
	const free, narrowest = 4, 3
	count := fmt.Sprintf("%*d of %d", len(fmt.Sprint(total)), done, total)
	room := width - free - len(title) - len(count) - len(" [] ")
	if room < narrowest {
		return count[:max(0, min(len(count), width-free))]
	}
	full := 0
	if total > 0 {
		full = room * done / total
	}
	drawing := strings.Repeat("#", full) + strings.Repeat(" ", room-full)
	return fmt.Sprintf("%s [%s] %s", title, drawing, count)
}

// terminalWidth returns a function that returns the present width of w in columns, or nil
// if w is not a terminal.
func terminalWidth(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 { // the terminal does not say how wide it is
			return 80
		}
		return width
	}
}
