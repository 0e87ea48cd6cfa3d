package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The index of this module agrees with its tree.
func TestIndex(t *testing.T) {
	_, problems, err := verify(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, p := range problems {
		t.Error(p)
	}
}

// module writes a module of one package, stone, with two tests, a fuzz target, an example and a benchmark, and a nested
// module with one test.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for file, text := range map[string]string{
		"go.mod":              "module m\n",
		"stone/stone.go":      "package stone\n",
		"stone/stone_test.go": "package stone\nfunc TestA() {}\nfunc (s) TestMethod() {}\nfunc helper() {}\nfunc FuzzB() {}\n",
		"stone/race_test.go":  "//go:build chaos\n\npackage stone_test\nfunc TestC() {}\nfunc BenchmarkD() {}\nfunc ExampleE() {}\n",
		"stone/cmd/main.go":   "package main\n",
		"stone/testdata/x.go": "package x\n",
		"nested/go.mod":       "module m/nested\n",
		"nested/n.go":         "package nested\n",
		"nested/n_test.go":    "package nested\nfunc TestNested() {}\n",
		"internal/in/in.go":   "package in\n",
		"examples/ex/ex.go":   "package ex\n",
		".hidden/h.go":        "package h\n",
		"onlytests/o_test.go": "package onlytests\n",
		"stonehttp/http.go":   "package stonehttp\n",
	} {
		path := filepath.Join(root, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

// full is a section that covers the contract, each row proved by TestA.
func full(dir string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "## %s\n\n| id | promise | tests |\n|---|---|---|\n", dir)
	for _, id := range ids() {
		fmt.Fprintf(&text, "| %s | holds | stone:TestA |\n", id)
	}
	return text.String()
}

func TestPublicPackages(t *testing.T) {
	dirs, err := publicPackages(module(t))
	require.NoError(t, err)
	assert.Equal(t, []string{"stone", "stonehttp"}, dirs)
}

func TestTestFunctions(t *testing.T) {
	root := module(t)
	names, err := testFunctions(filepath.Join(root, "stone"))
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"TestA": true, "FuzzB": true, "TestC": true, "BenchmarkD": true, "ExampleE": true}, names)

	require.NoError(t, os.WriteFile(filepath.Join(root, "stone", "broken_test.go"), []byte("package"), 0o644))
	_, err = testFunctions(filepath.Join(root, "stone"))
	assert.Error(t, err)
}

func TestVerifyAcceptsAFullIndex(t *testing.T) {
	root := module(t)
	text := full("stone") +
		"| C12 | a pipe \\| inside, `several` tests | `TestA`, FuzzB, TestC, ExampleE, BenchmarkD, nested:TestNested |\n" +
		"| C12 | does not apply: it has no state | - |\n\nprose | with a pipe\n\n" + full("stonehttp")
	require.NoError(t, os.WriteFile(filepath.Join(root, index), []byte(text), 0o644))
	sections, problems, err := verify(root)
	require.NoError(t, err)
	assert.Empty(t, problems)
	require.Len(t, sections, 2)
	assert.Len(t, sections[0].rows, 14)
	assert.Equal(t, "a pipe | inside, `several` tests", sections[0].rows[12].promise)
	assert.Empty(t, sections[0].rows[13].tests)
	assert.NoError(t, run(root))
}

func TestCheckFindsWhatIsBroken(t *testing.T) {
	for name, tt := range map[string]struct{ text, problem string }{
		"a test that is not there":    {full("stone") + "| C12 | more | TestGone |\n", "C12: there is no TestGone in stone"},
		"a helper":                    {full("stone") + "| C12 | more | helper |\n", "there is no helper in stone"},
		"a method":                    {full("stone") + "| C12 | more | TestMethod |\n", "there is no TestMethod in stone"},
		"a subtest":                   {full("stone") + "| C12 | more | TestA/case |\n", "there is no TestA/case in stone"},
		"a test of another folder":    {full("stone") + "| C12 | more | nested:TestA |\n", "there is no TestA in nested"},
		"a folder that is not there":  {full("stone") + "| C12 | more | gone:TestA |\n", "there is no TestA in gone"},
		"no test":                     {full("stone") + "| C12 | more | |\n", "C12 names no test"},
		"a dash for a test":           {full("stone") + "| C12 | more | — |\n", "C12 names no test"},
		"only benchmarks":             {full("stone") + "| C12 | fast | BenchmarkD |\n", "C12 has only benchmarks"},
		"no reason":                   {full("stone") + "| C12 | does not apply: | |\n", "no reason is given"},
		"no sentence":                 {full("stone") + "| C12 | | TestA |\n", "C12 promises nothing"},
		"a row twice":                 {full("stone") + "| C12 | holds | TestC |\n", "the row stands twice: C12 holds"},
		"an unknown line":             {full("stone") + "| C13 | more | TestA |\n", `"C13" is neither a line of the contract nor a topic in lower case`},
		"too few cells":               {full("stone") + "| C12 | TestA |\n", "a row has 3 cells (id, promise, tests), not 2"},
		"too many cells":              {full("stone") + "| C12 | a | b | TestA |\n", "not 4"},
		"a row outside":               {"| C1 | early | TestA |\n" + full("stone"), "a row before the first section"},
		"a missing line":              {strings.Replace(full("stone"), "| C7 |", "| C6 |", 1), "section stone has no row C7"},
		"a section twice":             {full("stone") + full("stone"), "a second section stone"},
		"a section without a folder":  {full("stone") + full("sand"), "there is no folder sand"},
		"a package without a section": {"# Promises\n", "package stone has no section"},
	} {
		t.Run(name, func(t *testing.T) {
			root := module(t)
			sections, problems := parse(tt.text)
			problems = append(problems, check(root, sections, []string{"stone"})...)
			var all []string
			for _, p := range problems {
				all = append(all, p.String())
			}
			assert.Contains(t, strings.Join(all, "\n"), tt.problem)
		})
	}
}

func TestProblemsPointToTheirLine(t *testing.T) {
	root := module(t)
	sections, _ := parse("\n" + full("stone") + "| C12 | more | TestGone |\n")
	problems := check(root, sections, nil)
	require.Len(t, problems, 1)
	assert.Equal(t, "internal/promises.md:18: C12: there is no TestGone in stone", problems[0].String())
}

func TestRunFailsOnProblems(t *testing.T) {
	root := module(t)
	require.Error(t, run(root), "no index")
	require.NoError(t, os.WriteFile(filepath.Join(root, index), []byte(full("stone")), 0o644))
	assert.EqualError(t, run(root), "1 problems", "stonehttp has no section")
}
