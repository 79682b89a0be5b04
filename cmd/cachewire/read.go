package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

func newGet(t *tool) *command {
	c := newCommand("get", "[URL] KEY…", "print values",
		"cachewire get redis://localhost greeting")
	c.about = `The value of one key is printed as it is. On a terminal, a line break follows, and a
value that is not text is in quotes, as in Go. Of several keys, each one that is present is printed
on a line, with a tab and its value. A key or value with characters that a line cannot show is
in quotes.`
	as := c.flags.String("as", "auto", kindsHelp)
	c.run = func(ctx context.Context, args []string) error {
		if err := checkKind(*as, readKinds...); err != nil {
			return err
		}
		cache, _, keys, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		if len(keys) == 0 {
			return wrongUse("which key?")
		}
		items, readErr := cache.GetItems(ctx, keys)
		var multi *core.MultiError
		if readErr != nil && !errors.As(readErr, &multi) {
			return readErr
		}
		absent := false
		for _, key := range keys {
			item, ok := items[key]
			switch {
			case ok:
				v, err := readValue(item, *as)
				if err != nil {
					return fmt.Errorf("%s: %w", shown(key), err)
				}
				if err := t.printValue(c.json, len(keys) == 1, key, v); err != nil {
					return err
				}
			case multi == nil || multi.Errors[key] == nil:
				absent = true
				if err := t.printAbsent(c.json, key); err != nil {
					return err
				}
			}
		}
		if readErr != nil {
			return readErr
		}
		return negativeIf(absent)
	}
	return c
}

func negativeIf(negative bool) error {
	if negative {
		return errNegative
	}
	return nil
}

// A jsonItem is a key with what was found out about it, in JSON.
type jsonItem struct {
	Key   jsonKey         `json:"key"`
	Found bool            `json:"found"`
	Kind  string          `json:"kind,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Base64 has the value instead if it is not UTF-8.
	Base64 []byte     `json:"base64,omitempty"`
	Fresh  *time.Time `json:"fresh_until,omitempty"`
	TTL    string     `json:"ttl,omitempty"`
}

// printAbsent says that key is absent: in JSON as data, else in a message.
func (t *tool) printAbsent(asJSON bool, key string) error {
	if asJSON {
		return t.printJSON(jsonItem{Key: jsonKey(key)})
	}
	t.say("%s: absent", shown(key))
	return nil
}

func (t *tool) printValue(asJSON, alone bool, key string, v value) error {
	switch {
	case asJSON:
		return t.printJSON(itemInJSON(key, v))
	case !alone:
		_, err := fmt.Fprintf(t.stdout, "%s\t%s\n", shown(key), shown(string(v.data)))
		return err
	}
	if t.stdoutTerminal {
		_, err := fmt.Fprintln(t.stdout, shownOnTerminal(string(v.data)))
		return err
	}
	_, err := t.stdout.Write(v.data)
	return err
}

func itemInJSON(key string, v value) jsonItem {
	item := jsonItem{Key: jsonKey(key), Found: true, Kind: v.kind}
	if !v.facts.Fresh.IsZero() {
		item.Fresh = &v.facts.Fresh
	}
	switch {
	case v.kind != "text" && v.kind != "bytes" && v.kind != "raw" && json.Valid(v.data):
		item.Value = v.data
	case utf8.Valid(v.data):
		item.Value, _ = json.Marshal(string(v.data)) // a string never fails
	default:
		item.Base64 = v.data
	}
	return item
}

func newTTL(t *tool) *command {
	c := newCommand("ttl", "[URL] KEY…", "print how long items have left to live",
		"cachewire ttl redis://localhost greeting")
	c.about = "Each key that is present is printed on a line, with a tab and its time or forever."
	c.run = func(ctx context.Context, args []string) error {
		cache, _, keys, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		if len(keys) == 0 {
			return wrongUse("which key?")
		}
		absent := false
		for _, key := range keys {
			ttl, err := cache.TTL(ctx, key)
			switch {
			case err == core.ErrMiss:
				absent = true
				err = t.printAbsent(c.json, key)
			case err == nil && c.json:
				err = t.printJSON(jsonItem{Key: jsonKey(key), Found: true, TTL: shownTTL(ttl)})
			case err == nil:
				_, err = fmt.Fprintf(t.stdout, "%s\t%s\n", shown(key), shownTTL(ttl))
			}
			if err != nil {
				return err
			}
		}
		return negativeIf(absent)
	}
	return c
}

func newKeys(t *tool) *command {
	c := newCommand("keys", "[URL] [PREFIX]", "print the keys, or those with a prefix",
		"cachewire keys redis://localhost user:")
	c.about = `Keys come in no order, one a line. One that is stored or deleted meanwhile may be
missing, and a key may come twice if the server reorganizes itself. memcached cannot list
its keys.`
	c.run = func(ctx context.Context, args []string) error {
		cache, p, rest, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		prefix := ""
		switch len(rest) {
		case 0:
		case 1:
			prefix = rest[0]
		default:
			return wrongUse("%d arguments after the URL; want at most a prefix", len(rest))
		}
		keys, err := keysOf(ctx, cache, p, prefix)
		if err != nil {
			return err
		}
		for key, err := range keys {
			if err == nil && c.json {
				err = t.printJSON(map[string]jsonKey{"key": jsonKey(key)})
			} else if err == nil {
				_, err = fmt.Fprintln(t.stdout, shown(key))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// keysOf returns the keys of cache that begin with prefix, without the prefix of the cache.
func keysOf(ctx context.Context, cache *core.Cache, p *place, prefix string) (
	iter.Seq2[string, error], error) {

	var lister core.KeyLister
	if !cache.As(&lister) {
		return nil, fmt.Errorf("%w: the backend of %s cannot list its keys",
			errors.ErrUnsupported, p)
	}
	own := p.prefix()
	return func(yield func(string, error) bool) {
		for key, err := range lister.Keys(ctx, own+prefix) {
			if err == nil {
				key = key[len(own):]
			}
			if key == "" && err == nil { // a key of another program, as long as the prefix
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}, nil
}
