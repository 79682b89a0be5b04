package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An indexer finds what files export.
type indexer struct {
	cache *core.Typed[exports]
	files []string
}

// A pass is what came of going over all files once.
type pass struct {
	name    string
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

	r.exports, err = x.cache.Get(ctx, key)
	if err == nil {
		r.hit = true
		return r
	}
	r.miss = errors.Is(err, core.ErrMiss)
	if !r.miss {
		r.cacheErr = err
	}

	r.exports, r.fileErr = parseFile(path)
	if r.fileErr != nil {
		return r
	}

	// To store what could not be asked for is a second error as a rule, except
	// where the bytes under the key were of no use.
	if r.miss || errors.Is(err, core.ErrCodec) {
		// How long it is kept, CACHE_URL says: DefaultTTL is its default_ttl.
		if err := x.cache.Set(ctx, key, r.exports, core.DefaultTTL); err != nil {
			r.cacheErr = err
		}
	}
	return r
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
	return fmt.Sprintf("demo:exports:1:%d:%d:%s", info.Size(), info.ModTime().UnixNano(), path), nil
}
