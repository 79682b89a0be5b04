package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
)

// exports are the exported names that a Go file declares at its top level.
type exports struct {
	// symbols are kinds and names, such as "func NewReader" and "method Reader.Read", in
	// the order of the file.
	symbols []string

	// broken says that the file has syntax errors. Then symbols has those that the parser
	// found in spite of the errors.
	broken bool
}

// The kinds of symbols.
const (
	kindConst  = "const"
	kindVar    = "var"
	kindType   = "type"
	kindFunc   = "func"
	kindMethod = "method"
)

// parseFile reads and parses the file at path. This is the work that the cache saves. A
// file with syntax errors is not an error, because the parser continues after them.
func parseFile(path string) (exports, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return exports{}, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	found := exports{broken: err != nil}
	if file == nil {
		return found, nil
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			found.addFunc(decl)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				found.addSpec(decl.Tok, spec)
			}
		}
	}
	return found, nil
}

func (e *exports) add(kind, name string) { e.symbols = append(e.symbols, kind+" "+name) }

func (e *exports) addFunc(decl *ast.FuncDecl) {
	if !decl.Name.IsExported() {
		return
	}
	if decl.Recv == nil {
		e.add(kindFunc, decl.Name.Name)
		return
	}
	// The methods of a type that is not exported do not count.
	if receiver := receiverName(decl.Recv); ast.IsExported(receiver) {
		e.add(kindMethod, receiver+"."+decl.Name.Name)
	}
}

func (e *exports) addSpec(tok token.Token, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			e.add(kindType, spec.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				e.add(tok.String(), name.Name) // "const" or "var", as Go spells them
			}
		}
	}
}

// receiverName returns the name of a method's receiver type, without pointer and type
// parameters, or "" if it is missing.
func receiverName(recv *ast.FieldList) string {
	if len(recv.List) == 0 {
		return ""
	}
	expr := recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e.Name
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		default:
			return ""
		}
	}
}
