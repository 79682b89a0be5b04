package main

import (
	"fmt"
	"html"
	"strings"
)

// svg answers a chart: a group of bars for each row, a bar for each rival.
func (t *table) svg() string {
	const (
		left, width, right = 190, 520, 110
		bar, gap           = 11, 14
		names              = 6 // of the legend in a line
	)
	most := 0.0
	for _, r := range t.rows {
		for _, result := range r.results {
			most = max(most, median(result.values))
		}
	}
	var bars strings.Builder
	y := 18 + 16*((len(t.rivals)+names-1)/names)
	for _, r := range t.rows {
		fmt.Fprintf(&bars, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left-8, y+bar, html.EscapeString(r.name))
		for i, rival := range t.rivals {
			result := r.results[rival]
			if result == nil {
				continue
			}
			value := median(result.values)
			text := fmt.Sprintf("%.4g", value)
			if t.times() {
				text = shown(value).String()
			}
			length := value / most * width
			fmt.Fprintf(&bars, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, y, length, bar-2, colour(i))
			fmt.Fprintf(&bars, "<text x=\"%.1f\" y=\"%d\" class=\"s\">%s</text>\n", left+length+4, y+bar-3, text)
			y += bar
		}
		y += gap
	}
	var legend strings.Builder
	for i, rival := range t.rivals {
		x, y := left+i%names*(width+right)/names, 10+16*(i/names)
		fmt.Fprintf(&legend, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", x, y, colour(i), x+14, y+9, html.EscapeString(rival))
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n"+
		"<style>.s{font-size:9px;fill:#555}</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n%s%s</svg>\n", left+width+right, y, legend.String(), bars.String())
}

// colour answers one that differs from those of the rivals beside it.
func colour(i int) string {
	return [...]string{"#1b6ca8", "#9fc5e8", "#e07b39", "#f2b880", "#6aa84f", "#b6d7a8", "#8e5ea2", "#c9b1d4", "#999999", "#d4d4d4", "#c0504d", "#e6b0aa", "#333333"}[i%13]
}
