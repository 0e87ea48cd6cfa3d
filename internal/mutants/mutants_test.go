package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
}

// Every patch of this module still applies: code moves, and a patch that does not follow it proves nothing.
func TestPatchesApply(t *testing.T) {
	needGit(t)
	root := filepath.Join("..", "..")
	if files, _ := filepath.Glob("*.patch"); len(files) == 0 {
		t.Skip("no patches")
	}
	mutants, err := load(root, nil)
	require.NoError(t, err)
	lab, err := newLab(root)
	require.NoError(t, err)
	defer lab.close()
	for _, m := range mutants {
		output, err := lab.apply(t.Context(), lab.pristine, m, "--check")
		assert.NoError(t, err, "%s: %s", m.name, output)
	}
}

// The module under test adds two numbers; its test checks one sum, and TestNothing checks nothing.
const (
	source = "package add\n\nfunc Add(a, b int) int {\n\treturn a + b\n}\n"
	tests  = `package add

import "testing"

func TestAdd(t *testing.T) {
	if Add(2, 3) != 5 {
		t.Fatal("wrong sum")
	}
}

func TestNothing(t *testing.T) {}

func TestRed(t *testing.T) { t.Fatal("always") }
`
)

// change is a patch that replaces the body of Add.
func change(test, from, to string) string {
	return "# what: a changed sum\n# test: " + test + "\n# any other comment\n" +
		"diff --git a/add/add.go b/add/add.go\n--- a/add/add.go\n+++ b/add/add.go\n@@ -1,5 +1,5 @@\n" +
		" package add\n \n func Add(a, b int) int {\n-\t" + from + "\n+\t" + to + "\n }\n"
}

// module writes the module with the given patches.
func module(t *testing.T, patches map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"go.mod":          "module m\n\ngo 1.26\n",
		"add/add.go":      source,
		"add/add_test.go": tests,
		"nested/go.mod":   "module m/nested\n",
		"nested/n.go":     "package nested\n",
		".git/config":     "not a repository\n",
	}
	for name, text := range patches {
		files[folder+"/"+name+".patch"] = text
	}
	for file, text := range files {
		path := filepath.Join(root, filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func TestVerdicts(t *testing.T) {
	needGit(t)
	const test = "go test -run 'TestAdd|TestNothing' ./add/"
	root := module(t, map[string]string{
		"add-killed":           change(test, "return a + b", "return a - b"),
		"add-deadlocked":       change("go test -timeout=1s -run TestAdd ./add/", "return a + b", "select {}"),
		"add-survives":         change(test, "return a + b", "return b + a"),
		"add-moved":            change(test, "return a * b", "return a - b"),
		"add-does-not-compile": change(test, "return a + b", "return a +"),
		"add-red-anyway":       change("go test -run TestRed ./add/", "return a + b", "return a - b"),
		"add-no-such-test":     change("go test -run TestGone ./add/", "return a + b", "return a - b"),
	})
	lab, err := newLab(root)
	require.NoError(t, err)
	defer lab.close()
	mutants, err := load(root, nil)
	require.NoError(t, err)
	got := map[string]verdict{}
	for _, m := range mutants {
		got[m.name] = lab.try(t.Context(), m).verdict
	}
	assert.Equal(t, map[string]verdict{
		"add-killed":           killed,
		"add-deadlocked":       killed,
		"add-survives":         survived,
		"add-moved":            doesNotApply,
		"add-does-not-compile": doesNotCompile,
		"add-red-anyway":       redWithout,
		"add-no-such-test":     redWithout,
	}, got)
}

func TestRunFailsUnlessAllAreKilled(t *testing.T) {
	needGit(t)
	const test = "go test ./add/ -run TestAdd"
	root := module(t, map[string]string{
		"add-killed":   change(test, "return a + b", "return a - b"),
		"add-survives": change(test, "return a + b", "return b + a"),
	})
	require.NoError(t, run(t.Context(), root, []string{"killed"}, true))
	require.EqualError(t, run(t.Context(), root, nil, false), "1 mutants were not killed")
	require.ErrorContains(t, run(t.Context(), root, []string{"lru"}, false), "no patch")
	text, err := os.ReadFile(filepath.Join(root, "add", "add.go"))
	require.NoError(t, err)
	assert.Equal(t, source, string(text), "the module itself stays as it was")
}

func TestLabLeavesOutVersionControlAndNestedModules(t *testing.T) {
	lab, err := newLab(module(t, nil))
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(lab.pristine, "add", "add.go"))
	assert.NoDirExists(t, filepath.Join(lab.pristine, ".git"))
	assert.NoDirExists(t, filepath.Join(lab.pristine, "nested"))
	lab.close()
	assert.NoDirExists(t, lab.tmp)
}

func TestReadRefusesBadHeaders(t *testing.T) {
	for name, text := range map[string]string{
		"empty":        "",
		"no test":      "# what: a bug\ndiff --git a/x b/x\n",
		"no what":      "# test: go test ./add/\n",
		"too late":     "diff --git a/x b/x\n# what: a bug\n# test: go test ./add/\n",
		"no go test":   "# what: a bug\n# test: make test\n",
		"open quote":   "# what: a bug\n# test: go test -run 'TestA ./add/\n",
		"only env":     "# what: a bug\n# test: GOARCH=386\n",
		"another verb": "# what: a bug\n# test: go vet ./add/\n",
	} {
		root := module(t, map[string]string{"bad": text})
		_, err := load(root, nil)
		assert.ErrorContains(t, err, "bad.patch", name)
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		"  go\ttest ":                  {"go", "test"},
		"go test -run 'A|B c' ./x":     {"go", "test", "-run", "A|B c", "./x"},
		`a "b 'c' d" e`:                {"a", "b 'c' d", "e"},
		`-run='^TestA$' ''`:            {"-run=^TestA$", ""},
		`back\slash stays $HOME stays`: {`back\slash`, "stays", "$HOME", "stays"},
	} {
		words, err := split(text)
		require.NoError(t, err)
		assert.Equal(t, want, words, "%q", text)
	}
	_, err := split("it's")
	assert.Error(t, err)
}

func TestParseCommandAddsCountAndTimeout(t *testing.T) {
	c, err := parseCommand("A=1 B='x y' go test -race ./x")
	require.NoError(t, err)
	assert.Equal(t, command{env: []string{"A=1", "B=x y"}, args: []string{"test", "-count=1", "-timeout=120s", "-race", "./x"}}, c)
	c, err = parseCommand("go test -count=3 -timeout 5s --run count ./timeout")
	require.NoError(t, err)
	assert.Equal(t, []string{"test", "-count=3", "-timeout", "5s", "--run", "count", "./timeout"}, c.args)
}

func TestJudgeNeedsAFailedTest(t *testing.T) {
	assert.Equal(t, broken, judge("go: no such tool", &exec.ExitError{}))
	assert.Equal(t, broken, judge("", errors.New("go is not installed")))
	assert.Equal(t, broken, judge("ok  \tm/add\t0.1s [no tests to run]", nil))
	assert.Equal(t, survived, judge("ok  \tm/add\t0.1s\nok  \tm/sub\t0.1s [no tests to run]\n", nil))
	assert.Equal(t, doesNotCompile, judge("FAIL\tm/add [build failed]\nFAIL\n", &exec.ExitError{}))
	assert.Equal(t, killed, judge("--- FAIL: TestA\nFAIL\tm/add\t0.1s\n", &exec.ExitError{}))
	assert.Equal(t, killed, judge("fatal error: all goroutines are asleep - deadlock!\nFAIL\tm/add\t0.1s\n", &exec.ExitError{}))
}
