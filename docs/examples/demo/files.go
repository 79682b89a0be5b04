package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// standardLibrary returns the directory with the source of the standard library.
func standardLibrary(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	root := string(bytes.TrimSpace(out))
	if root == "" {
		root = os.Getenv("GOROOT") // runtime.GOROOT is deprecated, and would return no more
	}
	if root == "" {
		return "", fmt.Errorf("no standard library found: go env GOROOT printed nothing (%v), "+
			"and GOROOT is not set; name a directory with -dir", err)
	}
	return filepath.Join(root, "src"), nil
}

// goFiles returns the Go files under dir in lexical order, or an error if there are none.
// It includes tests, which export names as well, and vendored packages. It skips
//
//   - testdata, which may contain files that are not Go,
//   - cmd at the top, which is the toolchain and not the library,
//   - files and directories that begin with a dot or an underscore, as the go command does.
func goFiles(ctx context.Context, dir string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir) // some distributions link GOROOT/src elsewhere
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := d.Name()
		switch {
		case path == dir:
		case d.IsDir() && (name == "testdata" || path == filepath.Join(dir, "cmd")):
			return fs.SkipDir
		case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular() && strings.HasSuffix(name, ".go"):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no Go files in %s", dir)
	}
	return files, err
}
