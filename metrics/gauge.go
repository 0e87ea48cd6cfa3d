package metrics

import (
	"math"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// Gauge is a value that rises and falls. The zero value is ready to use, at 0.
// A Gauge must not be copied. All methods are safe for concurrent use and
// linearizable; a nil Gauge panics.
//
// It is always finite: an update whose argument or result is NaN or infinite
// changes nothing and is counted as ignored.
type Gauge struct {
	bits    atomic.Uint64 // of the float
	refused atomic.Uint64 // updates that were ignored
}

// Set makes v the value. O(1), wait-free, no allocation.
func (g *Gauge) Set(v float64) {
	if !finite(v) {
		g.refused.Add(1)
		return
	}
	g.bits.Store(math.Float64bits(v))
}

// Add adds d, which may be negative. O(1), lock-free, no allocation.
func (g *Gauge) Add(d float64) {
	for {
		old := g.bits.Load()
		next := math.Float64frombits(old) + d
		if !finite(next) {
			g.refused.Add(1)
			return
		}
		chaos.Point("metrics: gauge read, not yet written")
		if g.bits.CompareAndSwap(old, math.Float64bits(next)) {
			return
		}
	}
}

// Inc adds 1.
func (g *Gauge) Inc() { g.Add(1) }

// Dec subtracts 1.
func (g *Gauge) Dec() { g.Add(-1) }

// Value returns the value. O(1), wait-free.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }

func (g *Gauge) metric() source { return plain{g} }

func (g *Gauge) kind() kind { return gaugeKind }

func (g *Gauge) ignored() uint64 { return g.refused.Load() }

func (g *Gauge) render(p *page, block string) { p.sampleFloat(g.Value(), block) }

// GaugeFunc is a gauge that is read from elsewhere, such as the length of a
// queue. It is called once in each write-out, without a lock, and may use the
// registry; its results are written as they are. If it panics, so does the
// write-out.
type GaugeFunc func() float64

func (f GaugeFunc) metric() source { return function{f, gaugeKind} }

// finite is false for NaN too.
func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat64 }
