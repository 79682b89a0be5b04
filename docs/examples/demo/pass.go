package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/patterns"
)

// An indexer finds the exported names of files.
type indexer struct {
	cached *patterns.Cached[exports]
	wires  *dependency.Dependency // wires the files of each package to its packageKey
	files  []string
}

// newIndexer returns an indexer of files. Live shows what it does, unless it is nil.
func newIndexer(cache *core.Cache, files []string, live *livePage) (*indexer, error) {
	wires, err := dependency.New(cache, nil)
	if err != nil {
		return nil, err
	}
	typed, err := core.NewTyped(cache, exportsCodec{})
	if err != nil {
		return nil, err
	}
	// Options.TTL is 0, so that values live for the default_ttl of CACHE_URL.
	opts := &patterns.Options[exports]{Dependency: wires, OnError: recordError}
	if live != nil {
		opts.Observer = live.page
	}
	cached, err := patterns.New(typed, opts)
	if err != nil {
		return nil, err
	}
	return &indexer{cached, wires, files}, nil
}

// A pass is the result of looking up all files once.
type pass struct {
	name     string
	remark   string   // a sentence for the report, or ""
	results  []result // one for each file, in the order of the files
	duration time.Duration
}

// A result is the result of looking up one file.
type result struct {
	done     bool // false if the pass was interrupted before it came to the file
	exports  exports
	hit      bool  // the cache had the exports
	miss     bool  // the cache did not have them; if neither, it could not be read
	cacheErr error // the first error of the cache, of a read or a write
	fileErr  error // the file could not be read
}

// pass looks up all files, as many at a time as there are processors, and calls step after
// each, from several goroutines at once. The error is that of ctx; then the pass has the
// results so far.
func (x *indexer) pass(ctx context.Context, name string, step func()) (pass, error) {
	p := pass{name: name, results: make([]result, len(x.files))}
	start := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(x.files) {
					return
				}
				r := x.lookup(ctx, x.files[i])
				if ctx.Err() != nil {
					return // r may have failed because ctx is done
				}
				r.done = true
				p.results[i] = r
				step()
			}
		})
	}
	workers.Wait()
	p.duration = time.Since(start)
	return p, ctx.Err()
}

// lookup returns the exports of the file at path. If they are not in the cache, it parses
// the file. If the cache fails, lookup takes longer, but returns the same exports.
func (x *indexer) lookup(ctx context.Context, path string) (r result) {
	key, err := keyOf(path)
	if err != nil {
		return result{fileErr: err}
	}
	var events lookupEvents
	parse := func(context.Context) (exports, error) {
		events.parsed.Store(true)
		return parseFile(path)
	}
	ctx = context.WithValue(ctx, lookupEventsKey{}, &events)
	r.exports, err = x.cached.GetOrCreate(ctx, key, parse, packageKey(filepath.Dir(path)))
	if cacheErr := events.cacheErr.Load(); cacheErr != nil {
		r.cacheErr = *cacheErr
	}
	if !events.parsed.Load() {
		r.hit, r.cacheErr = err == nil, firstError(r.cacheErr, err)
		return r
	}
	r.fileErr = err
	var failed *core.Error
	r.miss = !errors.As(r.cacheErr, &failed) || failed.Verb != "Get"
	return r
}

// lookupEvents record what happens while a file is looked up.
type lookupEvents struct {
	parsed   atomic.Bool
	cacheErr atomic.Pointer[error] // the first error of the cache, or nil
}

type lookupEventsKey struct{}

// recordError records an error of the cache. The lookup continues without the cache.
func recordError(ctx context.Context, err error) {
	if events, ok := ctx.Value(lookupEventsKey{}).(*lookupEvents); ok {
		events.cacheErr.CompareAndSwap(nil, &err)
	}
}

// invalidate drops the cached exports of all files in dir, and returns a sentence that says
// so, or why it failed.
func (x *indexer) invalidate(ctx context.Context, dir string) string {
	n := 0
	for _, path := range x.files {
		n += toInt(filepath.Dir(path) == dir)
	}
	if err := x.wires.Delete(ctx, packageKey(dir)); err != nil {
		return fmt.Sprintf("Before the third pass %s could not be invalidated: %v", dir, err)
	}
	return fmt.Sprintf("Before the third pass %s was invalidated, a package of %s.",
		dir, fileCount(n))
}

// packageKey returns the master key to which the files in dir are wired.
func packageKey(dir string) string { return "demo:package:" + dir + ":" }

// largestPackage returns the directory of files that has the most of them.
func largestPackage(files []string) string {
	counts := map[string]int{}
	largest := ""
	for _, path := range files {
		dir := filepath.Dir(path)
		if counts[dir]++; counts[dir] > counts[largest] {
			largest = dir
		}
	}
	return largest
}

// keyOf returns the key for the file at path in its present state. If the file changes, it
// gets another key and is parsed again, and the item under the old key is not read any
// more. keyOf does not read the file, because reading takes most of the time that the cache
// saves.
//
// The 2 in the key is the version of the encoding. A demo with another encoding must use
// another number, so that the two do not read each other's values.
func keyOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("demo:exports:2:%d:%d:%s", info.Size(), info.ModTime().UnixNano(), path), nil
}
