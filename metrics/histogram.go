package metrics

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/stripe"
)

// HistogramConfig configures a Histogram.
type HistogramConfig struct {
	// Bounds are the upper bounds (le) of the exported buckets: finite, above
	// 0, strictly ascending. nil means .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10,
	// which suits seconds.
	Bounds []float64

	// RelativeError bounds the error of Quantile, 0.001 to 0.1; 0 means 0.01.
	// Half of it doubles the memory.
	RelativeError float64
}

// layout checks the configuration. Bounds are copied.
func (c HistogramConfig) layout() (*layout, error) {
	if c.Bounds == nil && c.RelativeError == 0 {
		return defaultLayout, nil
	}
	if c.RelativeError == 0 {
		c.RelativeError = defaultError
	}
	if !(c.RelativeError >= 0.001 && c.RelativeError <= 0.1) {
		return nil, invalid("RelativeError must be from 0.001 to 0.1, or 0 for 0.01, got %v", c.RelativeError)
	}
	if c.Bounds == nil {
		c.Bounds = defaultBounds
	}
	if len(c.Bounds) == 0 {
		return nil, invalid("Bounds must not be empty, or nil for the default")
	}
	last := 0.0
	for i, b := range c.Bounds {
		if !(b > last && b <= math.MaxFloat64) {
			return nil, invalid("Bounds[%d] must be finite and above %v, got %v", i, last, b)
		}
		last = b
	}
	return newLayout(slices.Clone(c.Bounds), c.RelativeError), nil
}

// Histogram is the distribution of observations that are not negative. The zero
// value is ready to use, with the default HistogramConfig. A Histogram must not
// be copied. All methods are safe for concurrent use; a nil Histogram panics.
type Histogram struct {
	data    atomic.Pointer[histogramData] // nil until the first Observe of a zero Histogram
	sum     stripe.Float64
	refused atomic.Uint64 // observations that were ignored
}

// histogramData holds one atomic count for each slot of the layout, in blocks
// that are made when they are first hit: observations lie in a few decades.
type histogramData struct {
	layout *layout
	blocks []atomic.Pointer[slotBlock]
}

const blockSlots = 64

type slotBlock [blockSlots]atomic.Uint64

// NewHistogram returns an empty Histogram. An error matches ErrConfig and names
// the field at fault.
func NewHistogram(config HistogramConfig) (*Histogram, error) {
	l, err := config.layout()
	if err != nil {
		return nil, err
	}
	h := new(Histogram)
	h.start(l)
	return h, nil
}

// start gives h its slots unless somebody else has.
func (h *Histogram) start(l *layout) *histogramData {
	h.data.CompareAndSwap(nil, &histogramData{
		layout: l,
		blocks: make([]atomic.Pointer[slotBlock], (l.slots+blockSlots-1)/blockSlots),
	})
	return h.data.Load()
}

// Observe adds v to the distribution. NaN, infinities and negative values
// change nothing and are counted as ignored. O(1), lock-free. It allocates 512
// bytes when it is the first in its range of about a factor of two, and nothing
// otherwise.
func (h *Histogram) Observe(v float64) {
	if !(v >= 0 && v <= math.MaxFloat64) {
		h.refused.Add(1)
		return
	}
	d := h.data.Load()
	if d == nil {
		d = h.start(defaultLayout)
	}
	slot := d.layout.slot(v)
	block := d.blocks[slot/blockSlots].Load()
	if block == nil {
		block = d.grow(slot / blockSlots)
	}
	block[slot%blockSlots].Add(1) // the count of its bucket, and of the whole
	chaos.Point("metrics: observation counted, not yet in the sum")
	h.sum.Add(v)
}

// grow makes a block unless somebody else has.
func (d *histogramData) grow(i uint32) *slotBlock {
	chaos.Point("metrics: no block seen, none made")
	d.blocks[i].CompareAndSwap(nil, new(slotBlock))
	return d.blocks[i].Load()
}

// count sums the slots from first up to but without end.
func (d *histogramData) count(first, end uint32) uint64 {
	sum := uint64(0)
	for first < end {
		stop := min(end, first-first%blockSlots+blockSlots)
		if block := d.blocks[first/blockSlots].Load(); block != nil {
			for ; first < stop; first++ {
				sum += block[first%blockSlots].Load()
			}
		}
		first = stop
	}
	return sum
}

// Quantile is h.Snapshot().Quantile(q).
func (h *Histogram) Quantile(q float64) float64 { return h.Snapshot().Quantile(q) }

// Snapshot returns a copy of what h holds. Count agrees with the buckets at
// every instant; Sum may lag behind by Observes that are under way. O(slots
// that were hit), 16 bytes each.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{layout: defaultLayout}
	d := h.data.Load()
	if d == nil {
		return s
	}
	s.layout = d.layout
	for i := range d.blocks {
		block := d.blocks[i].Load()
		if block == nil {
			continue
		}
		for j := range block {
			if n := block[j].Load(); n > 0 {
				s.tally = append(s.tally, tally{uint32(i*blockSlots + j), n})
				s.Count += n
			}
		}
	}
	s.Sum = h.sum.Load()
	return s
}

func (h *Histogram) metric() source { return plain{h} }

func (h *Histogram) kind() kind { return histogramKind }

func (h *Histogram) ignored() uint64 { return h.refused.Load() }

// render reads every slot once, so that _count, which is the last sum of the
// buckets, cannot disagree with them.
func (h *Histogram) render(p *page, block string) {
	d := h.data.Load()
	l := defaultLayout
	if d != nil {
		l = d.layout
	}
	total, next := uint64(0), uint32(0)
	for i, le := range l.le[p.format] {
		end := l.slots
		if i < len(l.boundSlot) {
			end = l.boundSlot[i] + 1
		}
		if d != nil {
			total += d.count(next, end)
			next = end
		}
		p.bucket(total, block, le)
	}
	p.sum(h.sum.Load(), block)
	p.count(total, block)
}
