package docs

import (
	"regexp"
	"strings"
	"testing"
)

// The page shows parts of the programs, in their order.
func TestObserveShowsPartsOfItsPrograms(t *testing.T) {
	sections := strings.Split(read(t, "observe.md"), "\n## ")
	block := regexp.MustCompile("(?s)```go\n(.*?)```")
	program := regexp.MustCompile(`\((examples/observe/\w+/main\.go)\)`)
	found := 0
	for _, section := range sections {
		match := block.FindStringSubmatch(section)
		if match == nil {
			continue
		}
		found++
		file := program.FindStringSubmatch(section)
		if file == nil {
			t.Fatalf("a section has no link to its program:\n%s", section)
		}
		rest := strings.ReplaceAll(read(t, file[1]), "\t", "")
		for _, part := range strings.Split(strings.ReplaceAll(match[1], "\t", ""), "…\n") {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%s has no, or not in this order:\n%s", file[1], part)
			}
			rest = after
		}
	}
	if found != 3 {
		t.Errorf("%d sections have a program, want 3", found)
	}
}
