package tracer

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The code is in small pieces: a file holds one mechanism, or the tests of one subject. What is
// shipped has functions that fit on a screen, and this package only wires the others.
func TestSizes(t *testing.T) {
	const mostOfPackage, mostOfFile, mostOfFunction, mostOfHalf = 950, 350, 60, 130
	wired := 0
	var sizes []int
	positions := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "testsupport"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go", strings.HasSuffix(path, "_bpfel.go"):
			return nil
		}
		file, err := parser.ParseFile(positions, path, nil, 0)
		if err != nil {
			return err
		}
		lines := func(n ast.Node) int { return positions.Position(n.End()).Line - positions.Position(n.Pos()).Line + 1 }
		all := positions.Position(file.FileEnd).Line
		if all > mostOfFile {
			t.Errorf("%s has %d lines, more than %d", path, all, mostOfFile)
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		sizes = append(sizes, all)
		if filepath.Dir(path) == "../tracer" {
			wired += all
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && lines(f) > mostOfFunction {
				t.Errorf("%s of %s has %d lines, more than %d", f.Name.Name, path, lines(f), mostOfFunction)
			}
		}
		return nil
	})
	if err != nil || len(sizes) < 200 {
		t.Fatalf("%d files, %v", len(sizes), err)
	}
	slices.Sort(sizes)
	t.Logf("half of the files have at most %d lines, package tracer has %d", sizes[len(sizes)/2], wired)
	if half := sizes[len(sizes)/2]; half > mostOfHalf {
		t.Errorf("half of the files have more than %d lines, %d is the most wanted", half, mostOfHalf)
	}
	if wired > mostOfPackage {
		t.Errorf("package tracer has %d lines, more than %d", wired, mostOfPackage)
	}
}
