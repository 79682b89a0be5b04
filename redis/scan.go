package redis

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/cachewire/cachewire/core"
)

const (
	// scanCount is how many keys Redis looks at for one page.
	scanCount = 1000

	// maxScans is how often the scan of a server begins. The first one may connect to it.
	maxScans = 5
)

// Keys yields the keys that begin with prefix, by SCAN on each primary. It holds one page in
// memory. If a connection is lost in between, the scan of that server starts again and yields
// some keys twice, because a cursor is valid only on one server.
//
// While slots of a cluster move from one server to another, the iteration can miss keys in these
// slots.
func (b *Backend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		nodes, err := b.primaries(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, n := range nodes {
			if !b.scan(ctx, n, prefix, yield) {
				return
			}
		}
	}
}

// scan yields the keys of one server. It returns false if the iteration ends.
func (b *Backend) scan(ctx context.Context, n node, prefix string,
	yield func(string, error) bool) bool {
	for range maxScans {
		switch b.scanOnce(ctx, n, prefix, yield) {
		case scanned:
			return true
		case stopped:
			return false
		}
	}
	yield("", fmt.Errorf("%w: connections were lost in each of %d scans",
		core.ErrUnavailable, maxScans))
	return false
}

// A scanEnd says why scanOnce has returned.
type scanEnd uint8

const (
	scanned scanEnd = iota // all keys were yielded
	stopped                // the iteration has ended, with or without an error
	lost                   // there is a new connection, on which the cursor may not be valid
)

func (b *Backend) scanOnce(ctx context.Context, n node, prefix string,
	yield func(string, error) bool) scanEnd {
	pattern, dials := escape(prefix)+"*", b.conns.dialled(n.addr)
	for cursor := uint64(0); ; {
		scan := n.client.B().Scan().Cursor(cursor).Match(pattern).Count(scanCount).Build()
		// A read would be sent again with the same cursor.
		page, err := b.do(ctx, n.client, scan, writing).AsScanEntry()
		switch {
		case ctx.Err() == nil && (isLost(err) || b.conns.dialled(n.addr) != dials):
			return lost
		case err != nil:
			yield("", failure(ctx, err))
			return stopped
		}
		for _, key := range page.Elements {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return stopped
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return scanned
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
