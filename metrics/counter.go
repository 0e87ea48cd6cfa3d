package metrics

import "github.com/mainstay-go/mainstay/internal/stripe"

// Counter is a count that only rises. The zero value is ready to use. A Counter
// must not be copied. All methods are safe for concurrent use; a nil Counter
// panics.
//
// It has 16 bytes until two processors are seen to fight for it; from then on
// they add to cells of their own, four of 128 bytes for each processor.
type Counter struct {
	n stripe.Uint64
}

// Inc adds 1. O(1), lock-free, no allocation but for the cells, once.
func (c *Counter) Inc() { c.n.Inc() }

// Add adds n. The count is exact up to 2^64-1 and then goes on from 0, which
// Prometheus takes for a restart. O(1), lock-free, no allocation but for the
// cells, once.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value returns the count. Every Add that happened before is included, and of
// those that run at the same time some. O(processors).
func (c *Counter) Value() uint64 { return c.n.Load() }

func (c *Counter) metric() source { return plain{c} }

func (c *Counter) kind() kind { return counterKind }

func (c *Counter) ignored() uint64 { return 0 }

func (c *Counter) render(p *page, block string) { p.sampleUint(c.Value(), block) }

// CounterFunc is a counter that is read from elsewhere, such as a field of a
// Stats. It is called once in each write-out, without a lock, and may use the
// registry. A result that is NaN, infinite or negative is left out and counted
// as ignored. If it panics, so does the write-out.
type CounterFunc func() float64

func (f CounterFunc) metric() source { return function{f, counterKind} }
