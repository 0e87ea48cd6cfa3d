package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// kinds are the prefixes by which go test knows its functions.
var kinds = []string{"Test", "Fuzz", "Example", "Benchmark"}

// testFunctions names what go test could run in a folder, under any build tags.
// It parses rather than compiles, so that it can look into the nested modules
// too.
func testFunctions(dir string) (map[string]bool, error) {
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return names, err
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return names, err
		}
		for _, decl := range tree.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && isTest(f.Name.Name) {
				names[f.Name.Name] = true
			}
		}
	}
	return names, nil
}

func isTest(name string) bool {
	for _, kind := range kinds {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// publicPackages are the folders whose packages a user can import, with
// slashes, from the root.
func publicPackages(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		if private(path, d.Name()) {
			return fs.SkipDir
		}
		if importable(path) {
			rel, err := filepath.Rel(root, path)
			dirs = append(dirs, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	return dirs, err
}

// private tells which folders hold nothing for users: the go command skips the
// first kinds itself, and a nested module is not part of this one.
func private(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	if name == "testdata" || name == "internal" || name == "examples" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// importable tells whether a folder has Go files beside its tests that are not
// a program.
func importable(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go")) // the only error is a bad pattern
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly)
		if err == nil && tree.Name.Name != "main" {
			return true
		}
	}
	return false
}
