package benchmarks

import (
	"time"

	"github.com/paulbellamy/ratecounter"
)

// slidingwindowRatecounter reads no clock: a goroutine with a ticker moves its ring.
type slidingwindowRatecounter struct{ counter *ratecounter.RateCounter }

func newSlidingwindowRatecounter() slidingwindowCounter {
	return slidingwindowRatecounter{ratecounter.NewRateCounter(time.Second).WithResolution(10)}
}

func (r slidingwindowRatecounter) Add()       { r.counter.Incr(1) }
func (r slidingwindowRatecounter) Sum() int64 { return r.counter.Rate() }
