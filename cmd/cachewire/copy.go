package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/cachewire/cachewire/core"
)

func newCopy(t *tool) *command {
	c := newCommand("copy", "URL URL [PREFIX]", "copy the items of one cache to another",
		"cachewire copy redis://old.example.org memcache://new.example.org -journal copied")
	c.about = `Each item is copied with its flags and the time to live that it has left. A key that
is present in the second cache stays as it is, so that the command can be repeated after a
failure. The first cache must be able to list its keys; memcached cannot. A key that changes
meanwhile is copied in one of its states, or with the value of one and the time to live of the
next.`
	overwrite := c.flags.Bool("overwrite", false, "replace items of the second cache")
	ttl := c.flags.String("ttl", "", "give every item this time to live, a `duration` or forever, "+
		"instead of what it has left")
	journal := c.flags.String("journal", "", "add the copied keys to this `file`, and skip those "+
		"that it has: a copy that was interrupted goes on where it was")
	c.run = func(ctx context.Context, args []string) error {
		lives, err := parseTTL(*ttl)
		if err != nil {
			return err
		}
		if len(args) < 2 || len(args) > 3 {
			return wrongUse("%d arguments; want two URLs, and possibly a prefix", len(args))
		}
		places, err := c.places(t, args[:2])
		if err != nil {
			return err
		}
		var caches [2]*core.Cache
		for i, p := range places {
			if caches[i], err = p.open(ctx); err != nil {
				return err
			}
			defer caches[i].Close()
		}
		cp := &copier{
			tool: t, from: caches[0], to: caches[1], mode: core.Add, ttl: lives,
			done: map[string]bool{},
		}
		if *overwrite {
			cp.mode = core.Set
		}
		if *journal != "" {
			title := fmt.Sprintf("copied from %s to %s", places[0], places[1])
			if cp.journal, cp.done, err = openJournal(*journal, title); err != nil {
				return err
			}
			defer cp.journal.Close()
		}
		prefix := ""
		if len(args) == 3 {
			prefix = args[2]
		}
		err = cp.copyAll(ctx, places[0], prefix)
		t.endProgress()
		return errors.Join(err, cp.report(c.json))
	}
	return c
}

// A copier copies items. It counts keys.
type copier struct {
	tool     *tool
	from, to *core.Cache
	mode     core.Mode
	ttl      time.Duration // if not 0, that of every item

	journal *journal        // nil if there is none
	done    map[string]bool // the keys that the journal had

	copied, present, gone, skipped, failed int
}

// copySize is how many keys are read and stored at a time.
const copySize = 64

// copyAll copies the items whose keys begin with prefix. It stops if a cache cannot be reached.
func (cp *copier) copyAll(ctx context.Context, from *place, prefix string) error {
	keys, err := keysOf(ctx, cp.from, from, prefix)
	if err != nil {
		return err
	}
	var batch []string
	for key, err := range keys {
		if err != nil {
			return errors.Join(err, cp.copy(ctx, batch))
		}
		if cp.done[key] {
			cp.skipped++
			continue
		}
		if batch = append(batch, key); len(batch) < copySize {
			continue
		}
		if err := cp.copy(ctx, batch); err != nil {
			return err
		}
		batch = nil
	}
	if err := cp.copy(ctx, batch); err != nil {
		return err
	}
	if cp.failed > 0 {
		return errors.New("some keys were not copied, see above")
	}
	return nil
}

// copy copies the items under keys. It returns an error if a cache cannot be reached.
func (cp *copier) copy(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return ctx.Err()
	}
	read := time.Now()
	lives, failures := cp.lifetimes(ctx, keys)
	found, err := cp.from.GetItems(ctx, keys)
	if err := addFailures(failures, keys, err); err != nil {
		return err
	}
	var items []core.Item
	for _, key := range keys {
		item, ok := found[key]
		left := lives[key]
		if cp.ttl == 0 && left != core.Forever {
			left -= time.Since(read)
		}
		switch {
		case failures[key] != nil && !errors.Is(failures[key], core.ErrMiss):
		case !ok || failures[key] != nil || left <= 0:
			delete(failures, key)
			cp.gone++
		case item.Flags != 0 && cp.to.Traits().NoFlags:
			failures[key] = fmt.Errorf("%w: the second cache keeps no flags", errors.ErrUnsupported)
		default:
			item.TTL, item.Token = left, nil
			items = append(items, item)
		}
	}
	var stored []string
	for _, item := range items {
		stored = append(stored, item.Key)
	}
	if err := addFailures(failures, stored, cp.to.StoreMulti(ctx, cp.mode, items)); err != nil {
		return err
	}
	return cp.count(ctx, keys, stored, failures)
}

// lifetimes returns how long the items under keys may live in the second cache, and the errors
// of those for which that failed.
func (cp *copier) lifetimes(ctx context.Context, keys []string) (
	lives map[string]time.Duration, failures map[string]error) {

	lives, failures = map[string]time.Duration{}, map[string]error{}
	if cp.ttl != 0 {
		for _, key := range keys {
			lives[key] = cp.ttl
		}
		return lives, failures
	}
	var mu sync.Mutex // guards lives and failures
	var readers sync.WaitGroup
	for _, key := range keys {
		readers.Go(func() { // the clients of most drivers combine the requests
			ttl, err := cp.from.TTL(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures[key] = err
			} else {
				lives[key] = ttl
			}
		})
	}
	readers.Wait()
	return lives, failures
}

// addFailures adds the errors of a multi verb on keys to failures. An error that is not about
// keys is returned.
func addFailures(failures map[string]error, keys []string, err error) error {
	var multi *core.MultiError
	if err != nil && !errors.As(err, &multi) {
		return err
	}
	for _, key := range keys {
		if multi != nil && multi.Errors[key] != nil {
			failures[key] = multi.Errors[key]
		}
	}
	return nil
}

// count adds keys to the totals. The keys in stored were stored, except for those in failures. It
// returns an error if copying must stop: ctx is done, a cache cannot be reached, or has no TTL.
func (cp *copier) count(
	ctx context.Context, keys, stored []string, failures map[string]error,
) error {
	var done []string
	for _, key := range stored {
		switch err := failures[key]; {
		case err == nil:
			cp.copied++
			done = append(done, key)
		case errors.Is(err, core.ErrExists):
			delete(failures, key)
			cp.present++
			done = append(done, key)
		}
	}
	if cp.journal != nil {
		if err := cp.journal.add(done); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range keys {
		err := failures[key]
		switch {
		case err == nil:
			continue
		case errors.Is(err, core.ErrUnavailable):
			return fmt.Errorf("%w; the same command goes on", err)
		case errors.Is(err, errors.ErrUnsupported) && cp.ttl == 0 && len(stored) == 0:
			return fmt.Errorf("%w; without it, give -ttl", err)
		}
		cp.failed++
		cp.tool.endProgress()
		cp.tool.say("%s: %s", shown(key), textOf(err))
	}
	cp.tool.progress("%d keys, %d copied", cp.copied+cp.present+cp.gone+cp.skipped+cp.failed,
		cp.copied)
	return nil
}

// report prints what was done with the keys.
func (cp *copier) report(asJSON bool) error {
	if asJSON {
		return cp.tool.printJSON(map[string]int{
			"copied": cp.copied, "present": cp.present, "gone": cp.gone, "skipped": cp.skipped,
			"failed": cp.failed,
		})
	}
	table := tabwriter.NewWriter(cp.tool.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "copied\tpresent\tgone\tskipped\tfailed")
	fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\n",
		cp.copied, cp.present, cp.gone, cp.skipped, cp.failed)
	return table.Flush()
}
