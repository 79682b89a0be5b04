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

// An indexer finds what files export.
type indexer struct {
	cached *patterns.Cached[exports]
	wires  *dependency.Dependency // of the files of each package
	files  []string
}

func newIndexer(cache *core.Cache, files []string) (*indexer, error) {
	wires, err := dependency.New(cache, nil)
	if err != nil {
		return nil, err
	}
	typed, err := core.NewTyped(cache, exportsCodec{})
	if err != nil {
		return nil, err
	}
	// Values live for the default_ttl of CACHE_URL.
	cached, err := patterns.New(typed, &patterns.Options{Dependency: wires, OnError: noteError})
	if err != nil {
		return nil, err
	}
	return &indexer{cached, wires, files}, nil
}

// A pass is what came of going over all files once.
type pass struct {
	name    string
	remark  string   // for the report
	results []result // one a file, in the order of the files
	took    time.Duration
}

// A result is what came of one file.
type result struct {
	done     bool // false if the pass was interrupted before
	exports  exports
	hit      bool  // the cache had it
	miss     bool  // the cache did not have it; if neither, it could not tell
	cacheErr error // reading or writing the cache failed
	fileErr  error // the file could not be read
}

// pass looks up all files, as many at a time as there are processors, and calls
// step after each. The error is ctx's; what was done by then is in the pass.
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
					return // whatever r says, it may be for that reason
				}
				r.done = true
				p.results[i] = r
				step()
			}
		})
	}
	workers.Wait()
	p.took = time.Since(start)
	return p, ctx.Err()
}

// lookup asks the cache first, and the parser if it does not know. A cache that
// fails costs time and nothing else: the answer is the parser's then.
func (x *indexer) lookup(ctx context.Context, path string) (r result) {
	key, err := keyOf(path)
	if err != nil {
		return result{fileErr: err}
	}
	var n notes
	parse := func(context.Context) (exports, error) {
		n.parsed.Store(true)
		return parseFile(path)
	}
	r.exports, err = x.cached.GetOrCreate(context.WithValue(ctx, notesKey{}, &n), key, parse, packageKey(filepath.Dir(path)))
	if cacheErr := n.err.Load(); cacheErr != nil {
		r.cacheErr = *cacheErr
	}
	if !n.parsed.Load() {
		r.hit, r.cacheErr = err == nil, first(r.cacheErr, err)
		return r
	}
	r.fileErr = err
	var failed *core.Error
	r.miss = !errors.As(r.cacheErr, &failed) || failed.Verb != "Get"
	return r
}

// notes are what happens while a file is looked up.
type notes struct {
	parsed atomic.Bool
	err    atomic.Pointer[error] // the first that the cache made
}

type notesKey struct{}

// noteError notes what went wrong with the cache, which stops nothing.
func noteError(ctx context.Context, err error) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.err.CompareAndSwap(nil, &err)
	}
}

// invalidate drops what is cached of all files in dir, and answers what it did.
func (x *indexer) invalidate(ctx context.Context, dir string) string {
	n := 0
	for _, path := range x.files {
		n += one(filepath.Dir(path) == dir)
	}
	if err := x.wires.Delete(ctx, packageKey(dir)); err != nil {
		return fmt.Sprintf("Before the third pass %s could not be invalidated: %v", dir, err)
	}
	return fmt.Sprintf("Before the third pass %s was invalidated, a package of %s.", dir, count(n))
}

// packageKey answers the master key to which the files in dir are wired.
func packageKey(dir string) string { return "demo:package:" + dir + ":" }

// largestPackage answers the directory that has the most of files.
func largestPackage(files []string) string {
	most := map[string]int{}
	largest := ""
	for _, path := range files {
		dir := filepath.Dir(path)
		if most[dir]++; most[dir] > most[largest] {
			largest = dir
		}
	}
	return largest
}

// keyOf answers the key for the file at path as it is now. A file that changes
// gets another key and is parsed again, and what is kept under the old one is
// never asked for any more. The file itself is not read, which would cost most
// of what the cache is to save.
//
// The number is that of the values' form. A version of the demo that keeps
// something else takes another, and the two do not read each other's values.
func keyOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("demo:exports:2:%d:%d:%s", info.Size(), info.ModTime().UnixNano(), path), nil
}
