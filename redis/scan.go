package redis

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

const (
	// scanCount is how many keys Redis looks at for one page.
	scanCount = 1000

	// maxScans is how often the scan of a server begins again.
	maxScans = 3
)

// Keys yields the keys that begin with prefix, by SCAN on each primary. It holds one page in
// memory. If a connection is lost in between, the scan of that server begins again and yields
// some keys twice, because a cursor means nothing to another server.
//
// While slots of a cluster move from one server to another, keys in them can be missed.
func (b *Backend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		nodes, err := b.primaries(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, n := range nodes {
			if !b.scan(ctx, n.client, prefix, yield) {
				return
			}
		}
	}
}

// scan yields the keys of one server. It returns false if the iteration ends.
func (b *Backend) scan(ctx context.Context, c rueidis.Client, prefix string,
	yield func(string, error) bool) bool {
	pattern := escape(prefix) + "*"
	scans, cursor, dials := 1, uint64(0), b.dials.Load()
	for {
		scan := c.B().Scan().Cursor(cursor).Match(pattern).Count(scanCount).Build()
		page, err := b.do(ctx, c, scan, writing).AsScanEntry() // not sent again by itself
		// A page that came over a new connection may be of another server.
		if now := b.dials.Load(); cursor != 0 && (now != dials || isLost(err)) {
			if scans++; scans > maxScans {
				yield("", fmt.Errorf("%w: connections were lost in each of %d scans",
					core.ErrUnavailable, maxScans))
				return false
			}
			cursor, dials = 0, now
			continue
		} else if cursor == 0 {
			dials = now
			if scans < maxScans && isLost(err) {
				scans++
				continue
			}
		}
		if err != nil {
			yield("", failure(ctx, err))
			return false
		}
		for _, key := range page.Elements {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return false
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return true
		}
	}
}

// escape returns a pattern of Redis that matches text and nothing else.
func escape(text string) string {
	var pattern strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`\*?[]^-`, text[i]) >= 0 {
			pattern.WriteByte('\\')
		}
		pattern.WriteByte(text[i])
	}
	return pattern.String()
}
