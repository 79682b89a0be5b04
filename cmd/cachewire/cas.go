package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

func newCAS(t *tool) *command {
	c := newCommand("cas", "[URL] KEY [-- COMMAND [ARGUMENT…]]",
		"change a value by a command or an editor, if no other program changes it meanwhile",
		"cachewire cas redis://localhost greeting -- tr a-z A-Z\n"+
			"EDITOR=vi cachewire cas redis://localhost greeting")
	c.about = `The command gets the value as its standard input, and its standard output is the new
value. Without a command, the editor of the variables VISUAL or EDITOR changes a file with
the value. If the command fails, nothing is stored. A value that was compressed is stored
without compression, which every codec reads.`
	ttl := c.ttlFlag("what the item has left; memcached cannot tell, so that it needs the flag")
	as := c.flags.String("as", "auto", "read and store the value as this `kind`: auto (bytes, "+
		"text or int, as its flags say), raw (the stored bytes), text, int, json, or, as JSON, "+
		"msgpack or cbor")
	c.run = func(ctx context.Context, args []string) error {
		err := checkKind(*as, "auto", "raw", "text", "int", "json", "msgpack", "cbor")
		if err != nil {
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
		if len(rest) == 0 {
			return wrongUse("which key?")
		}
		key := rest[0]
		item, err := cache.GetItem(ctx, key)
		if err != nil {
			return t.report(c, key, "", err)
		}
		v, err := editable(item, *as)
		if err != nil {
			return fmt.Errorf("%s: %w", shown(key), err)
		}
		if *ttl == "" {
			if lives, err = cache.TTL(ctx, key); err != nil {
				if errors.Is(err, errors.ErrUnsupported) {
					return wrongUse("this backend cannot tell how long the item has left; " +
						"give -ttl")
				}
				return t.report(c, key, "", err)
			}
		}
		read := time.Now()
		edited, err := t.edit(ctx, v.data, rest[1:])
		if err != nil {
			return err
		}
		if bytes.Equal(edited, v.data) {
			return t.report(c, key, "unchanged", nil)
		}
		if *ttl == "" && lives != core.Forever {
			if lives -= time.Since(read); lives <= 0 {
				return t.report(c, key, "", core.ErrMiss)
			}
		}
		item.TTL = lives
		if item.Value, item.Flags, err = v.with(edited); err != nil {
			return err
		}
		return t.report(c, key, "stored", cache.CompareAndSwap(ctx, item))
	}
	return c
}

// editable returns the value of item for an editor.
func editable(item core.Item, as string) (value, error) {
	if item.Flags&core.FlagEnvelope != 0 && as != "raw" {
		return value{}, errors.New("the value is in an envelope, whose facts would be lost; " +
			"-as raw changes the stored bytes")
	}
	v, err := readValue(item, as)
	if err == nil && as == "auto" && (v.kind == "msgpack" || v.kind == "cbor") {
		err = fmt.Errorf("the value is %s; -as %[1]s changes it as JSON, "+
			"which has no bytes, times and kinds of numbers", v.kind)
	}
	return v, err
}

// with returns the stored form of data, a new value of the kind of v, and the flags of v, which
// may be 0 for any kind.
func (v value) with(data []byte) ([]byte, uint32, error) {
	if v.kind == "raw" || v.kind == "bytes" {
		return data, v.flags, nil
	}
	stored, _, err := encode(data, v.kind)
	return stored, v.flags, err
}

// edit returns data as the command changes it, or the editor if there is no command.
func (t *tool) edit(ctx context.Context, data []byte, command []string) ([]byte, error) {
	if len(command) > 0 {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(data), t.stderr
		edited, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("nothing is stored: %s: %w", command[0], err)
		}
		return edited, nil
	}
	editor := t.getenv("VISUAL")
	if editor == "" {
		editor = t.getenv("EDITOR")
	}
	words := strings.Fields(editor)
	if len(words) == 0 {
		return nil, wrongUse("no command, and no editor in VISUAL or EDITOR")
	}
	dir, err := os.MkdirTemp("", "cachewire") // which other users cannot read
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := dir + string(os.PathSeparator) + "value"
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], file)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.stdin, t.stdout, t.stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("nothing is stored: %s: %w", words[0], err)
	}
	return os.ReadFile(file)
}
