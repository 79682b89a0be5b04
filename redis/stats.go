package redis

import (
	"context"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Stats returns the sums of the figures of all primaries. Items counts the items of the
// database. All other figures are those of the whole server. Hits and Misses also count the
// reads of other programs, of Incr and of the compare verbs.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	nodes, err := b.primaries(ctx)
	if err != nil {
		return core.Stats{}, err
	}
	each := make([]core.Stats, len(nodes))
	err = on(ctx, nodes, func(i int, n node) error {
		info, err := b.do(ctx, n.client, n.client.B().Info().Build(), reading).ToString()
		if err != nil {
			return failure(ctx, err)
		}
		items, err := b.do(ctx, n.client, n.client.B().Dbsize().Build(), reading).AsInt64()
		if err != nil {
			return failure(ctx, err)
		}
		each[i] = parseInfo(info)
		each[i].Items = uint64(max(items, 0))
		return nil
	})
	var sum core.Stats
	for _, s := range each {
		sum.Items += s.Items
		sum.Bytes += s.Bytes
		sum.Hits += s.Hits
		sum.Misses += s.Misses
		sum.Evictions += s.Evictions
		sum.Expirations += s.Expirations
		sum.Commands += s.Commands
		sum.Connections += s.Connections
	}
	return sum, err
}

// parseInfo returns the figures in a reply to INFO. A line that is missing or malformed leaves
// its figure 0.
func parseInfo(info string) core.Stats {
	var s core.Stats
	figures := map[string]*uint64{
		"used_memory_dataset":      &s.Bytes, // without the server's own
		"keyspace_hits":            &s.Hits,
		"keyspace_misses":          &s.Misses,
		"evicted_keys":             &s.Evictions,
		"expired_keys":             &s.Expirations,
		"total_commands_processed": &s.Commands,
		"connected_clients":        &s.Connections,
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if figure := figures[name]; figure != nil {
			*figure, _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return s
}
