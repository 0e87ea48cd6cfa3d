package metrics

import (
	"math"
	"sync"
	"time"
)

// AverageConfig configures an Average.
type AverageConfig struct {
	// Window is the time that is averaged over; 0 means one minute.
	Window time.Duration

	// Buckets is the number of steps in which the window moves, at most 1<<20;
	// 0 means 60. It must divide Window. A bucket costs 16 bytes, and Mean
	// reads all of them.
	Buckets int
}

// Average is the mean of the observations of the last Window, in fixed memory.
// Create it with NewAverage. All methods are safe for concurrent use and
// linearizable, and panic on a nil or zero Average.
//
// With g = Window/Buckets, an observation counts until it is Window-g old at
// least, and until it is Window old at most. Registered it is a gauge, NaN
// when the window is empty.
type Average struct {
	base    time.Time
	refused Counter // observations that were ignored

	mu   sync.Mutex // mu guards the fields below
	ring ring[amount]
}

// amount is what one bucket holds.
type amount struct {
	sum float64 // finite
	n   uint64
}

func (a *amount) add(sum float64, n uint64) {
	a.sum = max(-math.MaxFloat64, min(a.sum+sum, math.MaxFloat64))
	a.n += n
}

// NewAverage returns an empty Average. An error matches ErrConfig and names the
// field at fault.
func NewAverage(config AverageConfig) (*Average, error) {
	if config.Window == 0 {
		config.Window = time.Minute
	}
	if config.Buckets == 0 {
		config.Buckets = 60
	}
	switch {
	case config.Window < 0:
		return nil, invalid("Window must be positive, or 0 for a minute, got %v", config.Window)
	case config.Buckets < 0 || config.Buckets > 1<<20:
		return nil, invalid("Buckets must be from 1 to %d, or 0 for 60, got %d", 1<<20, config.Buckets)
	case config.Window%time.Duration(config.Buckets) != 0:
		return nil, invalid("Buckets must divide Window, %d does not divide %v", config.Buckets, config.Window)
	}
	width := config.Window / time.Duration(config.Buckets)
	return &Average{base: time.Now(), ring: newRing[amount](width, config.Buckets)}, nil
}

// Observe adds v, as of now. NaN and infinities change nothing and are counted
// as ignored. A sum beyond the largest float stays there. O(1) but for the
// buckets that have fallen out since the last call, no allocation.
func (a *Average) Observe(v float64) {
	a.mustBeMade()
	if !finite(v) {
		a.refused.Inc()
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring.at(time.Since(a.base)).add(v, 1)
}

// Mean returns the mean of the observations in the window and their number, 0
// and 0 when there are none. O(Buckets), no allocation.
func (a *Average) Mean() (mean float64, count uint64) {
	a.mustBeMade()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring.at(time.Since(a.base))
	var all amount
	for _, b := range a.ring.buckets {
		all.add(b.sum, b.n)
	}
	if all.n == 0 {
		return 0, 0
	}
	return all.sum / float64(all.n), all.n
}

func (a *Average) mustBeMade() {
	if !a.made() {
		panic("metrics: Average not made by NewAverage")
	}
}

func (a *Average) made() bool { return a != nil && !a.base.IsZero() }

func (a *Average) metric() source { return plain{a} }

func (a *Average) kind() kind { return gaugeKind }

func (a *Average) ignored() uint64 { return a.refused.Value() }

func (a *Average) render(p *page, block string) {
	mean, n := a.Mean()
	if n == 0 {
		mean = math.NaN()
	}
	p.sampleFloat(mean, block)
}
