// Licenses prints the licence of every module of others in a list of packages. It fails if
// a licence does not fit the MIT license of this repository. It reads from standard input
// the output of
//
//	go list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}'
package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// The licences, by their SPDX names, that let a program use a library whatever the licence of
// the program is.
var permissive = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense",
}

var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)

func main() {
	failed := false
	modules := map[string]bool{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || modules[fields[0]] {
			continue // the standard library, a module of the workspace, or a repetition
		}
		modules[fields[0]] = true
		found, err := licenses(fields[2])
		switch {
		case err != nil:
			fmt.Printf("%-40s %v\n", fields[0], err)
			failed = true
		case len(found) == 0:
			fmt.Printf("%-40s no licence is found in %s\n", fields[0], fields[2])
			failed = true
		default:
			fmt.Printf("%-40s %s\n", fields[0], strings.Join(found, ", "))
			for _, id := range found {
				if !slices.Contains(permissive, id) {
					fmt.Printf("%-40s %s is not in the list of permitted licences\n", fields[0], id)
					failed = true
				}
			}
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(2)
	}
	if len(modules) == 0 {
		fmt.Fprintln(os.Stderr, "licenses: the input names no module")
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

// licenses returns the names of the licences in the root folder of a module.
func licenses(dir string) ([]string, error) {
	files, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		if file.IsDir() || !licenseFile.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return nil, err
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !slices.Contains(found, match.ID) {
				found = append(found, match.ID)
			}
		}
	}
	return found, nil
}
