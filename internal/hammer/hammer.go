// Package hammer runs the same operation from many goroutines that start
// together: the harness of the race tests.
package hammer

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Op is one step of one worker; rng belongs to that worker alone. An error ends
// the worker and fails the test.
type Op func(worker int, rng *rand.Rand) error

// Run calls op rounds times on each of workers goroutines, which start at the
// same moment, and returns when all have ended. The choices of a worker depend
// on its number alone, so that two runs differ only in their interleaving.
func Run(tb testing.TB, workers, rounds int, op Op) {
	tb.Helper()
	var g errgroup.Group
	start := make(chan struct{})
	for worker := range workers {
		g.Go(func() error {
			rng := rand.New(rand.NewPCG(uint64(worker), 0x9e3779b97f4a7c15))
			<-start
			for range rounds {
				if err := op(worker, rng); err != nil {
					return err
				}
			}
			return nil
		})
	}
	close(start)
	if err := g.Wait(); err != nil {
		tb.Fatalf("hammer: %v", err)
	}
}
