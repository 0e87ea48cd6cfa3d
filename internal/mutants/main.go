// Command mutants proves that the tests would notice: it plants each bug of
// internal/mutants/*.patch in a copy of the module and expects the tests that
// the patch names to fail.
//
//	go run ./internal/mutants              # all, from the root of the repository
//	go run ./internal/mutants -v lru       # those with lru in their name, with what the tests said
//
// Generic mutation testing flips operators. These mutants are written by hand,
// because the bugs that matter here are not a flipped operator: a lock pair
// taken out, Signal for Broadcast, a re-check dropped, a slot not zeroed.
//
// A mutant is a diff in git's form under a header of two lines:
//
//	# what: promotion dropped on Set
//	# test: go test -run 'TestModel|TestOrder' ./lru/
//
// Only failing tests kill a mutant. One that does not apply or does not compile
// proves nothing and is an error, as is a test command that fails without any
// mutant.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print what the tests said of every mutant")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", flag.Args(), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries the mutants of the module at root whose names contain one of the
// substrings, or all, and prints the table.
func run(ctx context.Context, root string, substrings []string, verbose bool) error {
	mutants, err := load(root, substrings)
	if err != nil {
		return err
	}
	lab, err := newLab(root)
	if err != nil {
		return err
	}
	defer lab.close()
	alive := 0
	for _, m := range mutants {
		r := lab.try(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(m, r, verbose)
		if r.verdict != killed {
			alive++
		}
	}
	fmt.Printf("%d of %d mutants killed\n", len(mutants)-alive, len(mutants))
	if alive > 0 {
		return fmt.Errorf("%d mutants were not killed", alive)
	}
	return nil
}

// report prints a row of the table, and the evidence where the mutant was not
// killed.
func report(m mutant, r result, verbose bool) {
	fmt.Printf("%-44s %-18s %5.1fs  %s\n", m.name, r.verdict, r.seconds, m.what)
	if verbose || r.verdict != killed {
		fmt.Println("\t" + strings.ReplaceAll(strings.TrimSpace(r.output), "\n", "\n\t"))
	}
}
