package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// printJSON prints v as a line of JSON.
func (t *tool) printJSON(v any) error {
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A jsonKey is a key in JSON: a string or, if it is not UTF-8, {"base64": "…"}.
type jsonKey string

func (k jsonKey) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(k)) {
		return json.Marshal(string(k))
	}
	return json.Marshal(map[string][]byte{"base64": []byte(k)})
}

// shown returns s for a line of its own: unchanged, or in quotes as in Go if it has
// characters that a terminal would not show, or looks like a string in quotes.
func shown(s string) string {
	plain := utf8.ValidString(s) && s != "" && s[0] != '"'
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// shownOnTerminal returns s as it is, or in quotes if it has characters other than line breaks
// and tabs that a terminal would not show, or would obey.
func shownOnTerminal(s string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
		return strconv.Quote(s)
	}
	return s
}

// shownTTL returns a time to live as the flag -ttl takes it.
func shownTTL(ttl time.Duration) string {
	if ttl == core.Forever {
		return "forever"
	}
	return ttl.String()
}

// parseTTL parses a time to live of the command line.
func parseTTL(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case "forever":
		return core.Forever, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl <= 0 {
		return 0, wrongUse("the time to live is %q; want a duration like 90s or 1h30m, or forever",
			text)
	}
	return ttl, nil
}

// say prints a message for people, which is not data.
func (t *tool) say(format string, args ...any) {
	fmt.Fprintf(t.stderr, t.name+": "+format+"\n", args...)
}

// A style is how text stands out on a terminal, by an escape sequence of ECMA-48 (SGR).
type style string

const (
	bold  style = "1"
	red   style = "31"
	green style = "32"
	faint style = "2"
)

// styled returns text in the style if standard output is a terminal and NO_COLOR is not set
// (https://no-color.org).
func (t *tool) styled(s style, text string) string {
	if !t.stdoutTerminal || t.getenv("NO_COLOR") != "" || t.getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// progress prints text in place of the last progress, if standard error is a terminal.
func (t *tool) progress(format string, args ...any) {
	if t.stderrTerminal {
		fmt.Fprintf(t.stderr, "\r\x1b[K"+format, args...)
	}
}

// endProgress removes the last progress.
func (t *tool) endProgress() { t.progress("") }
