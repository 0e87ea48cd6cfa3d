package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// folder is where the patches stand, from the root of the module.
const folder = "internal/mutants"

// mutant is one planted bug.
type mutant struct {
	name string // the patch's file name without .patch
	file string // its absolute path
	what string // the bug in words
	test string // the command that must fail
}

// load reads the patches whose names contain one of the substrings, or all of
// them.
func load(root string, substrings []string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.patch"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if !matches(name, substrings) {
			continue
		}
		m, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		m.name = name
		mutants = append(mutants, m)
	}
	if len(mutants) == 0 {
		return nil, fmt.Errorf("no patch in %s matches %q", folder, substrings)
	}
	return mutants, nil
}

func matches(name string, substrings []string) bool {
	contained := func(s string) bool { return strings.Contains(name, s) }
	return len(substrings) == 0 || slices.ContainsFunc(substrings, contained)
}

// read takes what a patch says of itself.
func read(file string) (mutant, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return mutant{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return mutant{}, err
	}
	head := header(string(text))
	m := mutant{file: file, what: head["what"], test: head["test"]}
	if m.what == "" || m.test == "" {
		return mutant{}, errors.New("the header needs the lines '# what: …' and '# test: go test …'")
	}
	_, err = parseCommand(m.test)
	return m, err
}

// header collects the lines "# key: value" above the diff.
func header(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		comment, found := strings.CutPrefix(line, "#")
		if !found {
			break
		}
		if key, value, found := strings.Cut(comment, ":"); found {
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return fields
}

// command is a parsed test command: NAME=value words, then go test and its
// arguments.
type command struct {
	env  []string
	args []string
}

// parseCommand reads a command as a shell would read a simple one, and adds the
// flags that every run needs: -count=1, since a cached answer is no answer, and
// -timeout, since a deadlock is a kill too and need not take ten minutes.
func parseCommand(text string) (command, error) {
	rest, err := split(text)
	if err != nil {
		return command{}, err
	}
	var c command
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		c.env, rest = append(c.env, rest[0]), rest[1:]
	}
	if len(rest) < 2 || rest[0] != "go" || rest[1] != "test" {
		return command{}, fmt.Errorf("%q is not a go test command", text)
	}
	c.args = []string{"test"}
	if !hasFlag(rest, "count") {
		c.args = append(c.args, "-count=1")
	}
	if !hasFlag(rest, "timeout") {
		c.args = append(c.args, "-timeout=120s")
	}
	c.args = append(c.args, rest[2:]...)
	return c, nil
}

func hasFlag(words []string, name string) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		flag, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		return strings.HasPrefix(word, "-") && flag == name
	})
}

var (
	quoted = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	words  = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
)

// split cuts a command into words; quotes of either kind keep a word together,
// and nothing else is special.
func split(text string) ([]string, error) {
	if strings.ContainsAny(quoted.ReplaceAllString(text, ""), `'"`) {
		return nil, fmt.Errorf("a quote in %q is not closed", text)
	}
	all := words.FindAllString(text, -1)
	for i, word := range all {
		all[i] = quoted.ReplaceAllString(word, "$1$2")
	}
	return all, nil
}
