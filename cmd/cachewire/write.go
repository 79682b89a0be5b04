package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

func newSet(t *tool) *command {
	return newStore(t, core.Set, "set", "store a value", "cachewire set redis://localhost "+
		"greeting hello -ttl 1m\ncachewire set redis://localhost page -file page.html")
}

func newAdd(t *tool) *command {
	return newStore(t, core.Add, "add", "store a value if the key is absent",
		"cachewire add redis://localhost lock \"$HOSTNAME\" -ttl 1m && echo locked")
}

func newReplace(t *tool) *command {
	return newStore(t, core.Replace, "replace", "store a value if the key is present",
		"cachewire replace redis://localhost greeting goodbye")
}

// newStore returns the command of mode.
func newStore(t *tool, mode core.Mode, name, short, example string) *command {
	c := newCommand(name, "[URL] KEY [VALUE]", short, example)
	c.about = "Without a value and -file, the value is read from standard input."
	ttl := c.ttlFlag("the default of the cache, which is forever unless the URL sets it")
	as := c.flags.String("as", "bytes", "store the value as this `kind`: bytes, text, int, json, "+
		"or, from JSON, msgpack or cbor")
	file := c.flags.String("file", "", "read the value from this `file`")
	c.run = func(ctx context.Context, args []string) error {
		if err := checkKind(*as, writeKinds...); err != nil {
			return err
		}
		lives, err := parseTTL(*ttl)
		if err != nil {
			return err
		}
		cache, _, rest, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		data, err := t.valueOf(ctx, rest, *file)
		if err != nil {
			return err
		}
		data, flags, err := encode(data, *as)
		if err != nil {
			return err
		}
		err = cache.Store(ctx, mode, core.Item{Key: rest[0], Value: data, Flags: flags, TTL: lives})
		return t.report(c, rest[0], "stored", err)
	}
	return c
}

func (c *command) ttlFlag(zero string) *string {
	return c.flags.String("ttl", "", "the time to live, a `duration` like 1h30m or forever; "+
		"if not given, it is "+zero)
}

// valueOf returns the value in rest, which is a key and possibly a value, or in the file, or
// in standard input.
func (t *tool) valueOf(ctx context.Context, rest []string, file string) ([]byte, error) {
	switch {
	case len(rest) == 0:
		return nil, wrongUse("which key?")
	case len(rest) > 2:
		return nil, wrongUse("%d arguments after the URL; want a key and a value, in quotes if it "+
			"has spaces", len(rest))
	case len(rest) == 2 && file != "":
		return nil, wrongUse("there is a value and -file; want one of them")
	case len(rest) == 2:
		return []byte(rest[1]), nil
	case file != "":
		return os.ReadFile(file)
	}
	if t.stdinTerminal {
		t.say("type the value, then Ctrl-D")
	}
	return readAll(ctx, t.stdin)
}

// readAll reads r to its end, or until ctx is done.
func readAll(ctx context.Context, r io.Reader) (data []byte, err error) {
	done := make(chan struct{})
	go func() { // if ctx is done, the process ends, and with it this goroutine
		defer close(done)
		data, err = io.ReadAll(r)
	}()
	select {
	case <-done:
		return data, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// report reports the result of a verb that changes key: did if err is nil. If a condition of
// the verb was false, it says so and returns errNegative.
func (t *tool) report(c *command, key, did string, err error) error {
	result := did
	switch {
	case err == nil:
	case errors.Is(err, core.ErrExists):
		result = "present"
	case errors.Is(err, core.ErrConflict):
		result = "changed"
	case err == core.ErrMiss:
		result = "absent"
	default:
		return err
	}
	if c.json {
		line := struct {
			Key    jsonKey `json:"key"`
			Result string  `json:"result"`
		}{jsonKey(key), result}
		return errors.Join(t.printJSON(line), negativeIf(err != nil))
	}
	if err != nil {
		t.say("%s: %s", shown(key), result)
		return errNegative
	}
	return nil
}

func newDel(t *tool) *command {
	c := newCommand("del", "[URL] KEY…", "delete items",
		"cachewire del redis://localhost greeting")
	c.run = func(ctx context.Context, args []string) error {
		cache, _, keys, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		if len(keys) == 0 {
			return wrongUse("which key?")
		}
		return eachKey(keys, func(key string) error {
			return t.report(c, key, "deleted", cache.Delete(ctx, key))
		})
	}
	return c
}

// eachKey calls f for each key. It stops at an error other than errNegative.
func eachKey(keys []string, f func(key string) error) error {
	var negative error
	for _, key := range keys {
		err := f(key)
		if err != nil && !errors.Is(err, errNegative) {
			return err
		}
		negative = errors.Join(negative, err)
	}
	return negative
}

func newTouch(t *tool) *command {
	c := newCommand("touch", "[URL] KEY…", "give items a new time to live",
		"cachewire touch redis://localhost greeting -ttl 10m")
	ttl := c.ttlFlag("the default of the cache, which is forever unless the URL sets it")
	c.run = func(ctx context.Context, args []string) error {
		lives, err := parseTTL(*ttl)
		if err != nil {
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
		return eachKey(keys, func(key string) error {
			return t.report(c, key, "touched", cache.Touch(ctx, key, lives))
		})
	}
	return c
}

func newIncr(t *tool) *command {
	return newCount(t, "incr", "add to a counter and print it", (*core.Cache).Incr,
		(*core.Cache).IncrFrom)
}

func newDecr(t *tool) *command {
	return newCount(t, "decr", "subtract from a counter and print it", (*core.Cache).Decr,
		(*core.Cache).DecrFrom)
}

// newCount returns the command of a counter verb and of its form for absent counters.
func newCount(
	t *tool,
	name, short string,
	count func(c *core.Cache, ctx context.Context, key string, delta uint64) (uint64, error),
	countFrom func(c *core.Cache, ctx context.Context, key string, delta, initial uint64,
		ttl time.Duration) (uint64, error),
) *command {
	c := newCommand(name, "[URL] KEY [DELTA]", short,
		"cachewire "+name+" redis://localhost visits 1 -from 0")
	from := c.flags.String("from", "", "start an absent counter at this `number`")
	ttl := c.ttlFlag("the default of the cache; it applies to a counter that is started")
	c.run = func(ctx context.Context, args []string) error {
		lives, err := parseTTL(*ttl)
		if err != nil {
			return err
		}
		if *ttl != "" && *from == "" {
			return wrongUse("-ttl needs -from: a counter that is present keeps its time to live")
		}
		cache, _, rest, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		delta, initial := uint64(1), uint64(0)
		switch len(rest) {
		case 1:
		case 2:
			if delta, err = strconv.ParseUint(rest[1], 10, 64); err != nil {
				return wrongUse("the number to count by is %q; want 0 to 2^64-1", rest[1])
			}
		default:
			return wrongUse("%d arguments after the URL; want a key and a number", len(rest))
		}
		var n uint64
		if *from == "" {
			n, err = count(cache, ctx, rest[0], delta)
		} else {
			if initial, err = strconv.ParseUint(*from, 10, 64); err != nil {
				return wrongUse("-from is %q; want 0 to 2^64-1", *from)
			}
			n, err = countFrom(cache, ctx, rest[0], delta, initial, lives)
		}
		if err != nil {
			return t.report(c, rest[0], "", err)
		}
		if c.json {
			return t.printJSON(struct {
				Key   jsonKey `json:"key"`
				Count uint64  `json:"count"`
			}{jsonKey(rest[0]), n})
		}
		_, err = fmt.Fprintln(t.stdout, n)
		return err
	}
	return c
}

func newFlush(t *tool) *command {
	c := newCommand("flush", "[URL]", "delete all items of a cache",
		"cachewire flush 'redis://localhost?prefix=app:' -yes")
	c.about = `If the URL has a prefix, only the items with this prefix are deleted. Otherwise
everything in the database or on the servers is deleted, including the items of other programs.`
	yes := c.flags.Bool("yes", false, "do not ask")
	c.run = func(ctx context.Context, args []string) error {
		cache, p, rest, err := c.open(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		if len(rest) > 0 {
			return wrongUse("flush takes no key; del deletes keys")
		}
		what := "everything"
		if p.prefix() != "" {
			what = "all items with the prefix " + shown(p.prefix())
		}
		if !*yes {
			if !t.stdinTerminal {
				return wrongUse("flush asks before it deletes, and standard input is no terminal; "+
					"-yes deletes %s in %s", what, p)
			}
			fmt.Fprintf(t.stderr, "delete %s in %s? [y/N] ", what, p)
			line, err := readLine(ctx, t.stdin)
			if err != nil {
				return err
			}
			if reply := strings.ToLower(line); reply != "y" && reply != "yes" {
				return errNegative
			}
		}
		if err := cache.Flush(ctx); err != nil {
			return err
		}
		if c.json {
			return t.printJSON(map[string]string{"result": "flushed"})
		}
		return nil
	}
	return c
}

// readLine reads a line of r, which is a terminal, without its line break.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() { // if ctx is done, the process ends, and with it this goroutine
		buf := make([]byte, 256)
		n, err := r.Read(buf)
		if err == io.EOF {
			err = nil
		}
		done <- result{strings.TrimSpace(string(buf[:n])), err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
