package hammer

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRunCallsEveryRound(t *testing.T) {
	var calls [4]atomic.Int64
	Run(t, 4, 250, func(worker int, _ *rand.Rand) error {
		calls[worker].Add(1)
		return nil
	})
	for worker := range calls {
		assert.Equal(t, int64(250), calls[worker].Load(), "worker %d", worker)
	}
}

// All workers must be alive at once: each waits for the last.
func TestRunStartsWorkersTogether(t *testing.T) {
	var arrived atomic.Int64
	Run(t, 8, 1, func(int, *rand.Rand) error {
		arrived.Add(1)
		for arrived.Load() < 8 {
			runtime.Gosched()
		}
		return nil
	})
	assert.Equal(t, int64(8), arrived.Load())
}

func TestRunIsDeterministicPerWorker(t *testing.T) {
	sums := func() (s [3]uint64) {
		Run(t, 3, 10, func(worker int, rng *rand.Rand) error {
			s[worker] += rng.Uint64()
			return nil
		})
		return s
	}
	first := sums()
	assert.Equal(t, first, sums())
	assert.NotEqual(t, first[0], first[1])
}

type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper()                        {}
func (f *fatal) Fatalf(format string, _ ...any) { f.text = format }

func TestRunFailsOnError(t *testing.T) {
	rec := &fatal{TB: t}
	Run(rec, 2, 10, func(worker int, _ *rand.Rand) error {
		if worker == 1 {
			return errors.New("torn")
		}
		return nil
	})
	assert.Equal(t, "hammer: %v", rec.text)
}
