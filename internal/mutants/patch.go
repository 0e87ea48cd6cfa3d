package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
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

// load reads the patches whose names contain one of the substrings, or all of them.
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

// read takes the header of one patch.
func read(file string) (mutant, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return mutant{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return mutant{}, err
	}
	m := mutant{file: file}
	for line := range strings.Lines(string(text)) {
		comment, found := strings.CutPrefix(line, "#")
		if !found {
			break
		}
		key, value, _ := strings.Cut(comment, ":")
		switch strings.TrimSpace(key) {
		case "what":
			m.what = strings.TrimSpace(value)
		case "test":
			m.test = strings.TrimSpace(value)
		}
	}
	if m.what == "" || m.test == "" {
		return mutant{}, errors.New("the header needs the lines '# what: …' and '# test: go test …'")
	}
	_, err = parseCommand(m.test)
	return m, err
}

// command is a parsed test command: NAME=value words, then go test and its arguments.
type command struct {
	env  []string
	args []string
}

// parseCommand reads a command as a shell would read a simple one, and adds the flags that every run needs: -count=1,
// since a cached answer is no answer, and -timeout, since a deadlock is a kill too and need not take ten minutes.
func parseCommand(text string) (command, error) {
	words, err := split(text)
	if err != nil {
		return command{}, err
	}
	var c command
	for len(words) > 0 && strings.Contains(words[0], "=") {
		c.env, words = append(c.env, words[0]), words[1:]
	}
	if len(words) < 2 || words[0] != "go" || words[1] != "test" {
		return command{}, fmt.Errorf("%q is not a go test command", text)
	}
	c.args = []string{"test"}
	if !hasFlag(words, "count") {
		c.args = append(c.args, "-count=1")
	}
	if !hasFlag(words, "timeout") {
		c.args = append(c.args, "-timeout=120s")
	}
	c.args = append(c.args, words[2:]...)
	return c, nil
}

func hasFlag(words []string, name string) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		flag, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		return strings.HasPrefix(word, "-") && flag == name
	})
}

// split cuts a command into words; quotes of either kind keep a word together, and nothing else is special.
func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune // the open quote, or 0
	inWord := false
	for _, r := range text {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case r == quote && quote != 0:
			quote = 0
		case quote == 0 && unicode.IsSpace(r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	if quote != 0 {
		return nil, fmt.Errorf("the quote %c in %q is not closed", quote, text)
	}
	return words, nil
}
