package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// A node is a server that accepts writes.
type node struct {
	addr   string
	client rueidis.Client
}

// primaries returns the servers that accept writes: the primaries of a cluster, sorted, or the
// only server.
func (b *Backend) primaries(ctx context.Context) ([]node, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return primariesOf(ctx, c, func(
		client rueidis.Client, cmd rueidis.Completed,
	) rueidis.RedisResult {
		return b.do(ctx, client, cmd, reading)
	})
}

// primariesOf is primaries for the client c. Do sends a command.
func primariesOf(ctx context.Context, c rueidis.Client,
	do func(client rueidis.Client, cmd rueidis.Completed) rueidis.RedisResult) ([]node, error) {
	if c.Mode() != rueidis.ClientModeCluster {
		return []node{{client: c}}, nil
	}
	all := c.Nodes()
	var errs []error
	for addr, client := range all { // the first server that responds knows the others
		slots, err := do(client, client.B().ClusterSlots().Build()).ToArray()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", addr, err))
			continue
		}
		var nodes []node
		addrs := primaryAddrs(slots, addr)
		for _, primary := range addrs {
			if client, ok := all[primary]; ok {
				nodes = append(nodes, node{primary, client})
			} else { // it is new, and rueidis will find it later
				errs = append(errs, fmt.Errorf("%s is not connected yet", primary))
			}
		}
		if len(nodes) > 0 && len(nodes) == len(addrs) {
			return nodes, nil
		}
	}
	return nil, fmt.Errorf("%w: the servers of the cluster: %w", core.ErrUnavailable,
		errors.Join(errs...))
}

// primaryAddrs returns the addresses of the primaries in a reply to CLUSTER SLOTS, each once,
// in the form that rueidis uses. If a server does not know its own host, this is the host of
// the address that the request was sent to.
func primaryAddrs(slots []rueidis.RedisMessage, asked string) []string {
	var addrs []string
	for _, entry := range slots {
		fields, err := entry.ToArray()
		if err != nil || len(fields) < 3 {
			continue
		}
		server, err := fields[2].ToArray()
		if err != nil || len(server) < 2 {
			continue
		}
		host, _ := server[0].ToString()
		if host == "" {
			host, _, _ = net.SplitHostPort(asked)
		}
		port, err := server[1].ToInt64()
		if err != nil {
			continue
		}
		addrs = append(addrs, net.JoinHostPort(host, strconv.FormatInt(port, 10)))
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// onPrimaries calls do for each primary, all at once, and joins the errors.
func (b *Backend) onPrimaries(ctx context.Context, do func(n node) error) error {
	nodes, err := b.primaries(ctx)
	if err != nil {
		return err
	}
	return on(ctx, nodes, func(_ int, n node) error { return do(n) })
}

// on is onPrimaries for given nodes. I is the index of a node.
func on(ctx context.Context, nodes []node, do func(i int, n node) error) error {
	errs := make([]error, len(nodes))
	var running sync.WaitGroup
	for i, n := range nodes {
		running.Go(func() {
			if errs[i] = do(i, n); errs[i] != nil && n.addr != "" {
				errs[i] = fmt.Errorf("%s: %w", n.addr, errs[i])
			}
		})
	}
	running.Wait()
	err := errors.Join(errs...)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Ping returns nil if every primary responds.
func (b *Backend) Ping(ctx context.Context) error {
	return b.onPrimaries(ctx, func(n node) error {
		if err := b.do(ctx, n.client, n.client.B().Ping().Build(), reading).Error(); err != nil {
			return failure(ctx, err)
		}
		return nil
	})
}

// Flush deletes everything in the database, by FLUSHDB on each primary.
func (b *Backend) Flush(ctx context.Context) error {
	return b.onPrimaries(ctx, func(n node) error {
		err := b.do(ctx, n.client, n.client.B().Flushdb().Async().Build(), writing).Error()
		if err == nil {
			return nil
		}
		if said, ok := rueidis.IsRedisErr(err); ok {
			return fmt.Errorf("%w: FLUSHDB is refused; Flush of a Cache with a prefix needs "+
				"only SCAN and UNLINK: %w",
				core.ErrUnavailable, said)
		}
		return failure(ctx, err)
	})
}
