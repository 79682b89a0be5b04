package memcache

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// ReadStats asks the server at the other end of conn for its statistics, in the
// text protocol, and adds them to s. The caller has set a deadline.
func ReadStats(conn io.ReadWriter, s *core.Stats) error {
	if _, err := io.WriteString(conn, "stats\r\n"); err != nil {
		return err
	}
	figures := map[string]*uint64{
		"curr_items": &s.Items,
		"bytes":      &s.Bytes,
		"get_hits":   &s.Hits,
		"get_misses": &s.Misses,
		"evictions":  &s.Evictions,
	}
	lines := bufio.NewReader(io.LimitReader(conn, 1<<16))
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		fields := strings.Fields(line)
		if len(fields) == 1 && fields[0] == "END" {
			return nil
		}
		if len(fields) < 2 || fields[0] != "STAT" {
			return fmt.Errorf("the reply to stats is %.100q", line)
		}
		if figure := figures[fields[1]]; figure != nil && len(fields) == 3 {
			n, err := strconv.ParseUint(fields[2], 10, 64)
			if err != nil {
				return fmt.Errorf("the reply to stats is %.100q", line)
			}
			*figure += n
		}
	}
}
