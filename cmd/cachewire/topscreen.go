package main

import (
	"context"
	"time"

	"github.com/gdamore/tcell/v2"
)

// draw draws the rows on the terminal until the user quits, or as often as w says.
func (t *tool) draw(ctx context.Context, w *watch) error {
	screen, err := tcell.NewScreen()
	if err != nil {
		return err
	}
	if err := screen.Init(); err != nil {
		return err
	}
	defer screen.Fini()
	events, quit := make(chan tcell.Event), make(chan struct{})
	defer close(quit)
	go screen.ChannelEvents(events, quit) // ends with Fini
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	var by column
	for {
		drawLines(screen, w.lines(by))
		select {
		case now := <-ticker.C:
			w.read(ctx, now)
			if w.ended() {
				return w.err()
			}
		case event, ok := <-events:
			if !ok {
				return nil
			}
			switch event := event.(type) {
			case *tcell.EventResize:
				screen.Sync()
			case *tcell.EventKey:
				if event.Key() == tcell.KeyCtrlC || event.Key() == tcell.KeyEscape ||
					event.Rune() == 'q' {
					return nil
				}
				if c, ok := columnOf(event.Rune()); ok {
					by = c
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drawLines draws lines, the first one bold, and how to quit.
func drawLines(screen tcell.Screen, lines []string) {
	screen.Clear()
	style := tcell.StyleDefault.Bold(true)
	for y, line := range lines {
		drawLine(screen, y, line, style)
		style = tcell.StyleDefault
	}
	drawLine(screen, len(lines)+1, "  sort: i b h m v e c   quit: q", style)
	screen.Show()
}

func drawLine(screen tcell.Screen, y int, line string, style tcell.Style) {
	x := 0
	for _, r := range line {
		screen.SetContent(x, y, r, nil, style)
		x++
	}
}
