// Package from has the tests of the pages in this folder. The programs of a page have tests of
// their own, next to each program.
package from

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link   = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	fence  = regexp.MustCompile("(?m)^```([a-z]*)\n((?s:.*?))^```$")
	inline = regexp.MustCompile("`([^`\n]+)`")
	name   = regexp.MustCompile(`(?:^|[^\w./"])([A-Za-z]\w*)\.([A-Z]\w*[a-z]\w*)(?:\.([A-Z]\w*))?`)
)

// A block of code on a page is a part of the file to which the line before it links. A block that
// no test compiles says so instead.
const notCompiled = "<!-- not compiled: "

func TestPagesShowTheCodeOfTestedPrograms(t *testing.T) {
	for page, text := range pages(t) {
		linked := map[string]bool{}
		for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
			language, code := text[at[2]:at[3]], text[at[4]:at[5]]
			before := strings.Split(strings.TrimSpace(text[:at[0]]), "\n")
			line := before[len(before)-1]
			if strings.HasPrefix(line, notCompiled) {
				continue
			}
			m := link.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: no link to a file before a block in %q: %s", page, language, line)
				continue
			}
			linked[m[1]] = true
			if file, err := os.ReadFile(m[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if !strings.Contains(string(file), code) {
				t.Errorf("%s: a block differs from %s:\n%s", page, m[1], code)
			}
		}
		folder := strings.TrimSuffix(page, ".md")
		for _, pattern := range []string{"/output.txt", "/*/main.go", "/*.py"} {
			files, err := filepath.Glob(folder + pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if !linked[filepath.ToSlash(file)] {
					t.Errorf("%s does not show %s", page, file)
				}
			}
		}
	}
}

// folders has the packages whose names the pages use, and types of core and patterns that they
// name without their package.
var folders = map[string]string{
	"core": "core", "hooks": "core/hooks", "config": "core/config", "encoding": "encoding",
	"msgpack": "encoding/msgpack", "zstd": "encoding/zstd", "dependency": "dependency",
	"patterns": "patterns", "oncelog": "patterns/oncelog", "lockout": "lockout",
	"memory": "memory", "null": "null", "memcache": "memcache", "memcachepure": "memcache-pure",
	"redis": "redis",
}

func TestNamesOnThePagesExist(t *testing.T) {
	exported := map[string]map[string]bool{} // by package: Name, and Type.Member
	for pkg, folder := range folders {
		exported[pkg] = exports(t, folder)
	}
	found := 0
	for page, text := range pages(t) {
		text = fence.ReplaceAllString(text, "")
		for _, span := range inline.FindAllStringSubmatch(text, -1) {
			for _, m := range name.FindAllStringSubmatch(span[1], -1) {
				pkg, want := m[1], m[2]
				if m[3] != "" {
					want += "." + m[3]
				}
				switch pkg {
				case "Cache", "Typed":
					pkg, want = "core", pkg+"."+want
				case "Cached":
					pkg, want = "patterns", pkg+"."+want
				}
				if names, ours := exported[pkg]; ours {
					found++
					if !names[want] {
						t.Errorf("%s: %s: package %s has no %s", page, span[0], pkg, want)
					}
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("found only %d names of ours on the pages", found)
	}
}

// exports returns the exported names of a package of this repository: Name, and Type.Member.
func exports(t *testing.T, folder string) map[string]bool {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// After a file has changed, go test runs this test again only if the file seems to belong to
	// this module. That is so for a path that is absolute and not cleaned.
	dir += "/../../" + folder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		file := entry.Name()
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), dir+"/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil {
					names[decl.Name.Name] = true
				} else {
					names[receiver(decl.Recv.List[0].Type)+"."+decl.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					addSpec(names, spec)
				}
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func addSpec(names map[string]bool, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, id := range spec.Names {
			names[id.Name] = true
		}
	case *ast.TypeSpec:
		names[spec.Name.Name] = true
		var members *ast.FieldList
		switch typ := spec.Type.(type) {
		case *ast.StructType:
			members = typ.Fields
		case *ast.InterfaceType:
			members = typ.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, id := range member.Names {
				names[spec.Name.Name+"."+id.Name] = true
			}
		}
	}
}

// pages returns the text of each page by its file name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}
