package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// contract is the number of lines every section must have: C1 to C12.
const contract = 12

// exempt marks a line of the contract that a package has no subject for; a
// reason must follow.
const exempt = "does not apply:"

// checker collects problems; tests caches the test functions of each folder.
type checker struct {
	root     string
	tests    map[string]map[string]bool
	problems []problem
}

func (c *checker) report(line int, format string, args ...any) {
	c.problems = append(c.problems, problem{line, fmt.Sprintf(format, args...)})
}

// check compares the sections with the tree at root and with the packages that
// must have one.
func check(root string, sections []section, public []string) []problem {
	c := &checker{root: root, tests: map[string]map[string]bool{}}
	seen := map[string]bool{}
	for _, s := range sections {
		if seen[s.dir] {
			c.report(s.line, "a second section %s", s.dir)
		}
		seen[s.dir] = true
		c.section(s)
	}
	for _, dir := range public {
		if !seen[dir] {
			c.report(1, "package %s has no section", dir)
		}
	}
	return c.problems
}

// section checks that a section covers the contract, once each sentence.
func (c *checker) section(s section) {
	if info, err := os.Stat(filepath.Join(c.root, s.dir)); err != nil || !info.IsDir() {
		c.report(s.line, "there is no folder %s", s.dir)
		return
	}
	covered, sentences := map[string]bool{}, map[string]bool{}
	for _, r := range s.rows {
		key := r.id + " " + r.promise
		if sentences[key] {
			c.report(r.line, "the row stands twice: %s", key)
		}
		covered[r.id], sentences[key] = true, true
		c.row(s.dir, r)
	}
	for _, id := range ids() {
		if !covered[id] {
			c.report(s.line, "section %s has no row %s", s.dir, id)
		}
	}
}

// ids are the lines of the contract.
func ids() []string {
	all := make([]string, contract)
	for i := range all {
		all[i] = fmt.Sprintf("C%d", i+1)
	}
	return all
}

// topic is the word before a promise of the package's own, beyond the contract
// that all packages share.
var topic = regexp.MustCompile(`^[a-z]+$`)

// row checks one promise: it says something, and a test that can fail proves
// it, or it says why there is none.
func (c *checker) row(dir string, r row) {
	if !slices.Contains(ids(), r.id) && !topic.MatchString(r.id) {
		c.report(r.line, "%q is neither a line of the contract nor a topic in lower case", r.id)
	}
	if r.promise == "" {
		c.report(r.line, "%s promises nothing", r.id)
	}
	switch _, reason, exempted := strings.Cut(r.promise, exempt); {
	case exempted && strings.TrimSpace(reason) == "":
		c.report(r.line, "%s does not apply, but no reason is given", r.id)
	case !exempted && len(r.tests) == 0:
		c.report(r.line, "%s names no test; if there is nothing to test, write %q and the reason", r.id, exempt)
	case len(r.tests) > 0 && !slices.ContainsFunc(r.tests, judges):
		c.report(r.line, "%s has only benchmarks, which cannot fail", r.id)
	}
	for _, test := range r.tests {
		c.test(dir, r, test)
	}
}

// judges tells whether a named function can fail; a benchmark only measures.
func judges(test string) bool {
	_, name := locate("", test)
	return !strings.HasPrefix(name, "Benchmark")
}

// locate splits other/dir:TestX; a plain name is in the section's own folder.
func locate(dir, test string) (string, string) {
	if other, name, found := strings.Cut(test, ":"); found {
		return other, name
	}
	return dir, test
}

// test checks that a named function exists.
func (c *checker) test(dir string, r row, test string) {
	dir, name := locate(dir, test)
	if c.tests[dir] == nil {
		names, err := testFunctions(filepath.Join(c.root, dir))
		if err != nil {
			c.report(r.line, "%s: %v", r.id, err)
		}
		c.tests[dir] = names
	}
	if !c.tests[dir][name] {
		c.report(r.line, "%s: there is no %s in %s", r.id, name, dir)
	}
}
