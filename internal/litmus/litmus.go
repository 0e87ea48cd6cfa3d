// Package litmus runs millions of tiny trials of two racing actors and counts
// what the pair saw, in the manner of OpenJDK's jcstress. A forbidden outcome
// that is ever counted is a proof of a race; an allowed outcome that is never
// counted tells that the actors did not meet, and that the test is worth
// nothing.
package litmus

import (
	"runtime"
	"sync/atomic"
)

// Outcome is what the two actors returned in one trial.
type Outcome struct{ A, B int }

// chunk is the number of trials between two barriers: small enough that the
// actors stay side by side in the array, large enough that the barrier does not
// dominate.
const chunk = 64

// Run makes trials states and lets actor a and actor b each visit all of them,
// concurrently and in step. It returns how often each pair of results was seen.
func Run[S any](trials int, setup func() S, a, b func(S) int) map[Outcome]int {
	states := make([]S, trials)
	for i := range states {
		states[i] = setup()
	}
	var barrier atomic.Int64
	sweep := func(actor func(S) int) []int {
		results := make([]int, trials)
		for i, state := range states {
			if i%chunk == 0 {
				barrier.Add(1)
				for both := int64(2 * (i/chunk + 1)); barrier.Load() < both; {
					runtime.Gosched()
				}
			}
			results[i] = actor(state)
		}
		return results
	}
	other := make(chan []int)
	go func() { other <- sweep(a) }()
	rb := sweep(b)
	ra := <-other
	seen := map[Outcome]int{}
	for i := range ra {
		seen[Outcome{ra[i], rb[i]}]++
	}
	return seen
}
