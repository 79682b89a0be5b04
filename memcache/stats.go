package memcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// Stats returns the sum of the figures of the servers, and those of the connections. It opens
// another connection to each server. It ends with ctx, after Options.Timeout, or with Close.
func (l *List[T]) Stats(ctx context.Context) (core.Stats, error) {
	limited, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	stats, err := Stats(limited, l.Servers(), l.opts.Dial)
	if ctxErr := endOf(ctx); ctxErr != nil {
		return core.Stats{}, ctxErr
	}
	for _, n := range l.Nodes() {
		s := n.Conns.Figures()
		stats.Pool.Total += s.Total
		stats.Pool.Idle += s.Idle
		stats.Pool.Acquired += s.Acquired
		stats.Pool.Waits += s.Waits
		stats.Pool.WaitTime += s.WaitTime
		stats.Pool.Destroyed += s.Destroyed
	}
	return stats, err
}

// Stats returns the sum of the figures of servers, read by the command stats of the text
// protocol. It reads from all servers at once, each over a connection that it opens with dial
// and closes. Its error joins a core.ErrUnavailable for each server that failed or did not
// reply before ctx was done. The figures of the other servers are still returned.
func Stats(
	ctx context.Context,
	servers []Server,
	dial func(ctx context.Context, server Server) (net.Conn, error),
) (core.Stats, error) {
	stats, errs := make([]core.Stats, len(servers)), make([]error, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			conn, err := dial(ctx, server)
			if err == nil {
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				stats[i], err = readStats(conn)
				stop()
				conn.Close()
			}
			if err != nil {
				errs[i] = Unavailable(server, err)
			}
		})
	}
	wg.Wait()
	var sum core.Stats
	for _, s := range stats {
		sum.Items += s.Items
		sum.Bytes += s.Bytes
		sum.Hits += s.Hits
		sum.Misses += s.Misses
		sum.Evictions += s.Evictions
		sum.Commands += s.Commands
		sum.Connections += s.Connections
	}
	return sum, errors.Join(errs...)
}

// readStats sends stats over conn and returns the figures in the reply. If the reply is not
// complete, it returns no figures.
func readStats(conn io.ReadWriter) (core.Stats, error) {
	if _, err := io.WriteString(conn, "stats\r\n"); err != nil {
		return core.Stats{}, err
	}
	var s core.Stats
	figures := map[string]*uint64{
		"curr_items": &s.Items,
		"bytes":      &s.Bytes,
		"get_hits":   &s.Hits,
		"get_misses": &s.Misses,
		"evictions":  &s.Evictions,

		"curr_connections": &s.Connections,
	}
	for _, name := range []string{
		"cmd_get", "cmd_set", "cmd_touch", "cmd_flush", "delete_hits", "delete_misses",
		"incr_hits", "incr_misses", "decr_hits", "decr_misses",
	} {
		figures[name] = &s.Commands
	}
	lines := bufio.NewReader(io.LimitReader(conn, 1<<16))
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return core.Stats{}, err
		}
		fields := strings.Fields(line)
		if len(fields) == 1 && fields[0] == "END" {
			return s, nil
		}
		if len(fields) < 2 || fields[0] != "STAT" {
			return core.Stats{}, fmt.Errorf("the reply to stats is %.100q", line)
		}
		if figure := figures[fields[1]]; figure != nil && len(fields) == 3 {
			n, err := strconv.ParseUint(fields[2], 10, 64)
			if err != nil {
				return core.Stats{}, fmt.Errorf("the reply to stats is %.100q", line)
			}
			*figure += n
		}
	}
}
