package memory_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/ristretto/v2/sim"
)

var tracesDir = flag.String("traces", "", "a folder of traces for BenchmarkTraces: "+
	".trc or .lirs of LIRS, .lis or .arc of ARC, each also with .gz")

// traceFiles returns the names of the files in the folder of the flag, and of the trace that
// is a part of the module of ristretto: gli, which LIRS was tested with.
func traceFiles(b *testing.B) []string {
	var files []string
	module := "github.com/dgraph-io/ristretto/v2"
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		b.Fatalf("go list of %s: %v", module, err)
	}
	files = append(files, filepath.Join(strings.TrimSpace(string(dir)), "sim", "gli.lirs.gz"))
	if *tracesDir != "" {
		more, err := filepath.Glob(filepath.Join(*tracesDir, "*.*"))
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, more...)
	}
	return files
}

// readTrace returns the name of the trace in a file, and its keys, numbered from 0.
func readTrace(file string) (name string, keys []int, distinct int, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, 0, err
	}
	name = filepath.Base(file)
	if strings.HasSuffix(name, ".gz") {
		name = strings.TrimSuffix(name, ".gz")
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return "", nil, 0, err
		}
		if data, err = io.ReadAll(r); err != nil {
			return "", nil, 0, err
		}
	}
	var parse sim.Parser
	ext := filepath.Ext(name)
	switch ext {
	case ".trc", ".lirs":
		// Some traces mark places between keys.
		data = bytes.ReplaceAll(data, []byte("*"), nil)
		data = append(bytes.Join(bytes.Fields(data), []byte("\n")), '\n')
		parse = sim.ParseLIRS
	case ".lis", ".arc":
		parse = sim.ParseARC
	default:
		return "", nil, 0, fmt.Errorf("%s: unknown kind of trace %q", file, ext)
	}
	numbers := map[uint64]int{}
	next := sim.NewReader(parse, bytes.NewReader(data))
	for {
		block, err := next()
		if errors.Is(err, sim.ErrDone) {
			return strings.TrimSuffix(name, ext), keys, len(numbers), nil
		}
		if err != nil {
			return "", nil, 0, fmt.Errorf("%s: after %d keys: %w", file, len(keys), err)
		}
		n, known := numbers[block]
		if !known {
			n = len(numbers)
			numbers[block] = n
		}
		keys = append(keys, n)
	}
}

func TestTracesAreRead(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"a.trc": "7\r\n*\r\n9\n7\n",
		"b.lis": "7 1 0 1\n9 1 0 2\n7 1 0 3\n",
		"c.arc": "6 2 0 1\n6 1 0 2\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		got, keys, distinct, err := readTrace(file)
		if got+".trc" != name && got+".lis" != name && got+".arc" != name || err != nil ||
			fmt.Sprint(keys) != "[0 1 0]" || distinct != 2 {
			t.Errorf("%s: name %q, keys %v, %d distinct, error %v; want [0 1 0] and 2",
				name, got, keys, distinct, err)
		}
	}
}

// BenchmarkTraces reports the percentage of reads that are hits in traces of real systems, in
// caches that hold some percent of the keys.
func BenchmarkTraces(b *testing.B) {
	for _, file := range traceFiles(b) {
		name, numbers, distinct, err := readTrace(file)
		if err != nil {
			b.Fatal(err)
		}
		keys := make([]string, distinct)
		for i := range keys {
			keys[i] = fmt.Sprintf("key-%08d", i)
		}
		for _, percent := range []int{5, 10, 20, 40, 80} {
			for _, c := range boundedCaches {
				b.Run(fmt.Sprintf("%s, %d%%/%s", name, percent, c.name), func(b *testing.B) {
					hits, reads := 0, 0
					for b.Loop() {
						touch := c.open(b, max(1, distinct*percent/100))
						for _, n := range numbers {
							reads++
							if touch(keys[n]) {
								hits++
							}
						}
					}
					b.ReportMetric(float64(hits)/float64(reads)*100, "%hits")
				})
			}
		}
	}
}
