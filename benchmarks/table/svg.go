package main

import (
	"fmt"
	"html"
	"strings"
)

// svg returns a chart with a group of bars for each row and a bar for each rival.
func (t *table) svg() string {
	const (
		left, width, right = 190, 520, 110
		bar, gap           = 11, 14
		namesPerLine       = 6 // of the legend
	)
	largest := 0.0
	for _, r := range t.rows {
		for _, result := range r.results {
			largest = max(largest, median(result.values))
		}
	}
	var bars strings.Builder
	y := 18 + 16*((len(t.rivals)+namesPerLine-1)/namesPerLine)
	for _, r := range t.rows {
		fmt.Fprintf(&bars, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
			left-8, y+bar, html.EscapeString(r.name))
		for i, rival := range t.rivals {
			result := r.results[rival]
			if result == nil {
				continue
			}
			value := median(result.values)
			text := fmt.Sprintf("%.4g", value)
			if t.hasTimes() {
				text = threeDigits(value).String()
			}
			length := value / largest * width
			fmt.Fprintf(&bars,
				"<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
				left, y, length, bar-2, colour(i))
			fmt.Fprintf(&bars, "<text x=\"%.1f\" y=\"%d\" class=\"s\">%s</text>\n",
				left+length+4, y+bar-3, text)
			y += bar
		}
		y += gap
	}
	var legend strings.Builder
	for i, rival := range t.rivals {
		x := left + i%namesPerLine*(width+right)/namesPerLine
		y := 10 + 16*(i/namesPerLine)
		fmt.Fprintf(&legend, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>",
			x, y, colour(i))
		fmt.Fprintf(&legend, "<text x=\"%d\" y=\"%d\">%s</text>\n",
			x+14, y+9, html.EscapeString(rival))
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""+
		" font-family=\"sans-serif\" font-size=\"11\">\n"+
		"<style>.s{font-size:9px;fill:#555}</style>\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n%s%s</svg>\n",
		left+width+right, y, legend.String(), bars.String())
}

// colour returns a colour for rival i that differs from those of the rivals next to it.
func colour(i int) string {
	return [...]string{
		"#1b6ca8", "#9fc5e8", "#e07b39", "#f2b880", "#6aa84f", "#b6d7a8", "#8e5ea2",
		"#c9b1d4", "#999999", "#d4d4d4", "#c0504d", "#e6b0aa", "#333333",
	}[i%13]
}
