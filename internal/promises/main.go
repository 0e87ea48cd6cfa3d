// Command promises checks internal/promises.md, the index that maps every
// promise of every package to its tests.
//
//	go run ./internal/promises     # from the root of the repository
//
// It prints how many promises and tests each package has, and fails if the
// index and the tree disagree: a test that is not there, a package without a
// section, a line of the contract that a section leaves out. The same check
// runs as a test, so that a renamed test cannot silently unprove a promise.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// index is where the promises stand, from the root of the module.
const index = "internal/promises.md"

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "promises:", err)
		os.Exit(1)
	}
}

// run checks the module at root and prints the table.
func run(root string) error {
	sections, problems, err := verify(root)
	if err != nil {
		return err
	}
	summarize(sections)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems", len(problems))
	}
	return nil
}

// verify reads the index of the module at root and compares it with the tree.
func verify(root string) ([]section, []problem, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(index)))
	if err != nil {
		return nil, nil, err
	}
	public, err := publicPackages(root)
	if err != nil {
		return nil, nil, err
	}
	sections, problems := parse(string(text))
	problems = append(problems, check(root, sections, public)...)
	return sections, problems, nil
}

// summarize prints one line a package.
func summarize(sections []section) {
	fmt.Printf("%-36s %9s %6s\n", "package", "promises", "tests")
	for _, s := range sections {
		fmt.Printf("%-36s %9d %6d\n", s.dir, len(s.rows), len(s.tests()))
	}
}
