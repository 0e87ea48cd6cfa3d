package litmus

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRunCountsEveryTrial(t *testing.T) {
	seen := Run(1000, func() int { return 0 }, func(int) int { return 1 }, func(int) int { return 2 })
	assert.Equal(t, map[Outcome]int{{1, 2}: 1000}, seen)
}

// A swap lets exactly one of two actors win; the reverse order of the results is the other legal outcome.
func TestRunFindsOnlyLegalOutcomes(t *testing.T) {
	take := func(taken *atomic.Bool) int {
		if taken.Swap(true) {
			return 0
		}
		return 1
	}
	seen := Run(20_000, func() *atomic.Bool { return new(atomic.Bool) }, take, take)
	assert.Zero(t, seen[Outcome{1, 1}], "both took it")
	assert.Zero(t, seen[Outcome{0, 0}], "nobody took it")
}

// Check-then-act with a yield in the gap: the forbidden outcome must show.
func TestRunExposesARace(t *testing.T) {
	take := func(taken *atomic.Bool) int {
		if taken.Load() {
			return 0
		}
		runtime.Gosched()
		taken.Store(true)
		return 1
	}
	seen := Run(200_000, func() *atomic.Bool { return new(atomic.Bool) }, take, take)
	assert.Positive(t, seen[Outcome{1, 1}])
}
