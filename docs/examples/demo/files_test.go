package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestGoFilesReturnsTheFilesOfTheLibraryAndItsTests(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"io/io.go":                   "package io",
		"io/io_test.go":              "package io",
		"io/testdata/data.go":        "not even Go",
		"io/notes.txt":               "",
		"io/_old.go":                 "package io",
		"io/.#io.go":                 "package io",
		"_build/x.go":                "package x",
		".git/y.go":                  "package y",
		"cmd/go/main.go":             "package main",
		"internal/cmd/cmd.go":        "package cmd",
		"vendor/golang.org/x/sys.go": "package sys",
	})
	link := filepath.Join(t.TempDir(), "src")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("this system cannot make symbolic links:", err)
	}
	files, err := goFiles(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range files {
		name, err := filepath.Rel(realDir, path)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.ToSlash(name))
	}
	want := []string{
		"internal/cmd/cmd.go", "io/io.go", "io/io_test.go", "vendor/golang.org/x/sys.go",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
}

func TestStandardLibraryReturnsADirectoryWithPackageIO(t *testing.T) {
	dir, err := standardLibrary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "io", "io.go")); err != nil {
		t.Error(err)
	}
}
