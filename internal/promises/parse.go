package main

import (
	"fmt"
	"slices"
	"strings"
)

// section holds the promises of one package.
type section struct {
	dir  string
	line int
	rows []row
}

// tests are the different tests that prove the section's promises.
func (s section) tests() []string {
	var all []string
	for _, r := range s.rows {
		all = append(all, r.tests...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// row is one promise. Its tests are function names, in the section's own folder
// unless a folder stands before a colon.
type row struct {
	line    int
	id      string // C1 to C12, the line of the contract, or a topic of the package's own
	promise string
	tests   []string
}

// problem is one disagreement, printed as file:line so that editors find it.
type problem struct {
	line int
	text string
}

func (p problem) String() string { return fmt.Sprintf("%s:%d: %s", index, p.line, p.text) }

// parse reads the sections and their tables. Everything that is neither a
// heading nor a table is prose.
func parse(text string) ([]section, []problem) {
	var sections []section
	var problems []problem
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if dir, found := strings.CutPrefix(line, "## "); found {
			sections = append(sections, section{dir: strings.TrimSpace(dir), line: n})
			continue
		}
		if !strings.HasPrefix(line, "|") || isRuler(line) {
			continue
		}
		r, err := parseRow(line)
		switch {
		case err != nil:
			problems = append(problems, problem{n, err.Error()})
		case len(sections) == 0:
			problems = append(problems, problem{n, "a row before the first section"})
		default:
			r.line = n
			current := &sections[len(sections)-1]
			current.rows = append(current.rows, r)
		}
	}
	return sections, problems
}

// isRuler tells a table's heading and the dashes under it from its rows: a
// heading has no id in its first cell.
func isRuler(line string) bool {
	first := strings.ToLower(strings.TrimSpace(cells(line)[0]))
	return first == "" || first == "id" || first == "contract" || strings.Trim(first, ":-") == ""
}

// parseRow takes a line of three cells apart.
func parseRow(line string) (row, error) {
	c := cells(line)
	if len(c) != 3 {
		return row{}, fmt.Errorf("a row has 3 cells (id, promise, tests), not %d", len(c))
	}
	r := row{id: strings.TrimSpace(c[0]), promise: strings.TrimSpace(c[1])}
	for test := range strings.SplitSeq(c[2], ",") {
		if test = strings.Trim(test, " `"); test != "" && strings.Trim(test, "-–—") != "" {
			r.tests = append(r.tests, test)
		}
	}
	return r, nil
}

// escaped stands for a pipe written as \| while a line is split.
const escaped = "\x00"

// cells splits a table line at its pipes; \| is part of the text.
func cells(line string) []string {
	line = strings.ReplaceAll(line, `\|`, escaped)
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	parts := strings.Split(line, "|")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], escaped, "|")
	}
	return parts
}
