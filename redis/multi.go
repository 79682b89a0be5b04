package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

const (
	// chunkLen is how many commands one pipeline has at most. More would not be faster, and
	// rueidis opens another connection for pipelines of 2,000.
	chunkLen = 1000

	// chunkBytes is how many bytes of values one pipeline sends at most, not counting its first
	// command.
	chunkBytes = 1 << 20

	// parallelism is how many pipelines of a verb are in progress at once.
	parallelism = 4

	// unlinkLen is how many keys one UNLINK has.
	unlinkLen = 100
)

// A pipeline is a part of a multi verb.
type pipeline struct {
	from, to int // its keys, by their places
}

// split divides n keys into pipelines of at most length keys. Size returns how many bytes a key
// sends.
func split(n, length int, size func(i int) int) []pipeline {
	var all []pipeline
	p := pipeline{}
	bytes := 0
	for i := range n {
		more := size(i)
		if i-p.from == length || i > p.from && bytes+more > chunkBytes {
			p.to = i
			all = append(all, p)
			p.from, bytes = i, 0
		}
		bytes += more
	}
	p.to = n
	return append(all, p)
}

// inPipelines calls do for each pipeline in all, some at a time. When ctx is done, it calls skip
// for the remaining ones.
func inPipelines(ctx context.Context, all []pipeline, do, skip func(p pipeline)) {
	if len(all) == 1 {
		do(all[0])
		return
	}
	places := make(chan struct{}, parallelism)
	var running sync.WaitGroup
	for _, p := range all {
		places <- struct{}{}
		if ctx.Err() != nil {
			<-places
			skip(p)
			continue
		}
		running.Go(func() {
			defer func() { <-places }()
			do(p)
		})
	}
	running.Wait()
}

// failures collects the errors of keys from several goroutines.
type failures struct {
	mu  sync.Mutex
	all core.MultiError // guarded by mu
}

func (f *failures) add(key string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all.Add(key, err)
}

// err is called when the goroutines have ended.
func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all.Err()
}

// GetItems reads keys by GET, in pipelines. (MGET would read a key of another type than a
// string as absent, and cannot read keys of several slots of a cluster.)
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	get := func(c rueidis.Client, commands []rueidis.Completed, key string) []rueidis.Completed {
		return append(commands, c.B().Get().Key(key).Build())
	}
	return b.getItems(ctx, keys, 1, get,
		func(ctx context.Context, key string, results []rueidis.RedisResult) (core.Item, error) {
			stored, err := stored(ctx, results[0])
			if err != nil {
				return core.Item{}, err
			}
			return b.itemOf(key, stored), nil
		})
}

// GetItemsTTL is GetItems with the time that each item has left to live.
func (b *Backend) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	return b.getItems(ctx, keys, 2, withTTL, b.itemWithTTL)
}

// getItems reads keys in pipelines. For each key, commands appends n commands, and itemOf
// returns the item for their results.
func (b *Backend) getItems(ctx context.Context, keys []string, n int,
	commands func(rueidis.Client, []rueidis.Completed, string) []rueidis.Completed,
	itemOf func(context.Context, string, []rueidis.RedisResult) (core.Item, error),
) ([]core.Item, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	items := make([]core.Item, len(keys))
	found := make([]bool, len(keys))
	var failed failures
	skip := func(p pipeline) {
		for _, key := range keys[p.from:p.to] {
			failed.add(key, ctx.Err())
		}
	}
	inPipelines(ctx, split(len(keys), chunkLen/n, func(int) int { return 0 }), func(p pipeline) {
		all := make([]rueidis.Completed, 0, n*(p.to-p.from))
		for _, key := range keys[p.from:p.to] {
			all = commands(c, all, key)
		}
		results, err := b.doMulti(ctx, c, all, reading)
		if err != nil {
			skip(p)
			return
		}
		for i, at := 0, p.from; at < p.to; i, at = i+n, at+1 {
			switch item, err := itemOf(ctx, keys[at], results[i:i+n]); err {
			case nil:
				items[at], found[at] = item, true
			case core.ErrMiss:
			default:
				failed.add(keys[at], err)
			}
		}
	}, skip)
	present := items[:0]
	for i, item := range items {
		if found[i] {
			present = append(present, item)
		}
	}
	return present, failed.err()
}

// StoreMulti does what Store does for each of items, in pipelines.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	c, err := b.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	var failed failures
	skip := func(p pipeline) {
		for _, item := range items[p.from:p.to] {
			failed.add(item.Key, ctx.Err())
		}
	}
	size := func(i int) int { return len(items[i].Value) }
	store := b.setItems
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		store = b.compareItems
	}
	inPipelines(ctx, split(len(items), chunkLen, size), func(p pipeline) {
		if !store(ctx, c, mode, items[p.from:p.to], &failed) {
			skip(p)
		}
	}, skip)
	return failed.err()
}

// setItems stores items in one pipeline. It returns false if ctx has abandoned all of them.
func (b *Backend) setItems(ctx context.Context, c rueidis.Client, mode core.Mode, items []core.Item,
	failed *failures) bool {
	sent := make([]int, 0, len(items)) // the places of the items that are not too large
	room := 0
	for i := range items {
		if err := b.checkSize(items[i]); err != nil {
			failed.add(items[i].Key, err)
			continue
		}
		sent = append(sent, i)
		room += headerLen + len(items[i].Value)
	}
	commands := make([]rueidis.Completed, 0, len(sent))
	copies := make([]byte, 0, room) // of all values, because an allocation for each costs more
	for _, i := range sent {
		from := len(copies)
		copies = b.appendStored(copies, items[i].Value, items[i].Flags)
		stored := rueidis.BinaryString(copies[from:])
		commands = append(commands, setCommand(c, mode, &items[i], stored))
	}
	if len(commands) == 0 {
		return true
	}
	results, err := b.doMulti(ctx, c, commands, writing)
	if err != nil {
		return false
	}
	for i, result := range results {
		failed.add(items[sent[i]].Key, storeResult(ctx, mode, result))
	}
	return true
}

// compareItems is setItems for the compare verbs.
func (b *Backend) compareItems(ctx context.Context, c rueidis.Client, mode core.Mode,
	items []core.Item, failed *failures) bool {
	args := make([][]string, len(items))
	var unsent []int // the places of the items to compare
	for i := range items {
		var err error
		if args[i], err = b.compareArgs(mode, items[i]); err != nil {
			failed.add(items[i].Key, err)
			continue
		}
		unsent = append(unsent, i)
	}
	// A server that does not know the script by its hash has done nothing.
	command := compareScript.byHash
	for range 2 {
		if len(unsent) == 0 {
			return true
		}
		commands := make([]rueidis.Completed, 0, len(unsent))
		for _, i := range unsent {
			commands = append(commands, command(c, items[i].Key, args[i]))
		}
		results, err := b.doMulti(ctx, c, commands, writing)
		if err != nil {
			for _, i := range unsent {
				failed.add(items[i].Key, ctx.Err())
			}
			return true
		}
		var unknown []int
		for i, result := range results {
			if at := unsent[i]; isNoScript(result.Error()) {
				unknown = append(unknown, at)
			} else {
				failed.add(items[at].Key, compared(ctx, result))
			}
		}
		command, unsent = compareScript.bySource, unknown
	}
	for _, i := range unsent {
		failed.add(items[i].Key, core.ErrUnavailable) // EVAL does not need to know a script
	}
	return true
}

// DeleteMulti deletes keys, in pipelines.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	c, err := b.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	groups := slices.Collect(slices.Chunk(keys, unlinkLen))
	if c.Mode() == rueidis.ClientModeCluster { // one command takes keys of one slot
		groups = slices.Collect(slices.Chunk(keys, 1))
	}
	var failed failures
	skip := func(p pipeline) {
		for _, group := range groups[p.from:p.to] {
			for _, key := range group {
				failed.add(key, ctx.Err())
			}
		}
	}
	inPipelines(ctx, split(len(groups), chunkLen, func(int) int { return 0 }), func(p pipeline) {
		commands := make([]rueidis.Completed, 0, p.to-p.from)
		for _, group := range groups[p.from:p.to] {
			commands = append(commands, c.B().Unlink().Key(group...).Build())
		}
		results, err := b.doMulti(ctx, c, commands, writing)
		if err != nil {
			skip(p)
			return
		}
		for i, result := range results {
			if err := result.Error(); err != nil {
				for _, key := range groups[p.from+i] {
					failed.add(key, failure(ctx, err))
				}
			}
		}
	}, skip)
	return failed.err()
}
