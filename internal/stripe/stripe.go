// Package stripe counts from many processors at once: a word that spreads over
// several cache lines when processors are seen to fight for it.
//
// One atomic word is the fastest counter there is, until two processors want it
// at the same time; from then on each of them waits for the cache line to
// arrive from the other. The remedy is known as LongAdder (Java) or sharded
// counter: several words, a processor adds to one, a reader sums them all. Its
// price is memory, a kilobyte and more for each counter, of which most never
// see two processors at a time. So a counter here starts as one word and a
// pointer, 16 bytes, and grows cells when it meets contention:
//
//	alone       [ base | nil ]
//	contended   [ base |  *--]--> [cell][cell][cell] ...   128 bytes each
//
// The base keeps what it counted before. With one processor (GOMAXPROCS=1) a
// word never grows cells: what looks like contention is a preemption.
//
// Which cell to take: Go tells nobody on which processor it runs, without
// linkname. But goroutines that run at the same time have different stacks, so
// a hash of a stack address tells them apart; it costs a multiplication, where
// a token from a sync.Pool costs 12 ns. Two that collide on a cell see their
// compare-and-swap fail and go to a second cell. Build with -tags purego for a
// twin without unsafe, which draws the cell at random.
package stripe

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// lineBytes is the distance between two cells. 64 is the cache line of amd64;
// its prefetcher fetches pairs of lines, and some arm64 have lines of 128.
const lineBytes = 128

// maxCells bounds what a single counter may grow to, 32 KiB.
const maxCells = 256

// cell is a word alone on its cache lines.
type cell struct {
	word atomic.Uint64
	_    [lineBytes - 8]byte
}

// cells is a table of a power of two cells.
type cells struct {
	shift uint // 64 minus the logarithm of the length
	cell  []cell
}

// newCells makes four cells a processor, so that two processors rarely share
// one.
func newCells() *cells {
	n := min(4*runtime.GOMAXPROCS(0), maxCells)
	log := bits.Len(uint(n - 1))
	return &cells{shift: uint(64 - log), cell: make([]cell, 1<<log)}
}

// first is the cell of the calling goroutine, and second the one to go to when
// another goroutine is at the first.
func (c *cells) first(hint uint64) *atomic.Uint64 { return &c.cell[hint>>c.shift].word }

func (c *cells) second(hint uint64) *atomic.Uint64 {
	return &c.cell[(hint*spread)>>c.shift].word
}

// spread is 2^64 divided by the golden ratio: multiplied by it, numbers that
// differ a little differ in the high bits (Knuth, TAOCP 6.4).
const spread = 0x9e3779b97f4a7c15

// contended reports whether a word that has just been lost to another processor
// deserves cells.
func contended() bool { return runtime.GOMAXPROCS(0) > 1 }

// Uint64 is a sum of integers. The zero value is 0. It must not be copied.
type Uint64 struct {
	base  atomic.Uint64
	cells atomic.Pointer[cells] // nil until the first contention, then fixed
}

// probeMask decides how often an add looks for contention: once in 64.
const probeMask = 63

// Inc adds 1.
//
// An add is a plain fetch-and-add, which cannot fail and so cannot tell that
// somebody else is there; a compare-and-swap could, but is the slower
// instruction. One add in 64 looks.
func (u *Uint64) Inc() {
	if c := u.cells.Load(); c != nil || u.base.Add(1)&probeMask == 0 {
		u.addSlow(c, 1)
	}
}

// Add adds n, modulo 2^64.
func (u *Uint64) Add(n uint64) {
	// Multiplied, since the low bits of a sum of multiples of 64 never change.
	if c := u.cells.Load(); c != nil || (u.base.Add(n)*spread)>>58 == 0 {
		u.addSlow(c, n)
	}
}

// addSlow adds n to the cells, or, where there were none and n is in the base
// already, looks for contention.
func (u *Uint64) addSlow(c *cells, n uint64) {
	if c == nil {
		u.probe()
		return
	}
	h := hint()
	word := c.first(h)
	old := word.Load()
	chaos.Point("stripe: cell read, not yet written")
	if !word.CompareAndSwap(old, old+n) {
		chaos.Point("stripe: cell lost to another")
		c.second(h).Add(n)
	}
}

// probe writes the base back to itself a few times. Twice beaten to it means
// that another processor is at work on the base, once may be a preemption.
func (u *Uint64) probe() {
	lost := 0
	for range 4 {
		old := u.base.Load()
		chaos.Point("stripe: base read, not yet written")
		if !u.base.CompareAndSwap(old, old) {
			lost++
		}
	}
	if lost >= 2 && contended() {
		u.cells.CompareAndSwap(nil, newCells())
	}
}

// Load returns the sum. It includes every add that happened before, and of
// those that run at the same time some: with adds of 1 it is the count of some
// instant during the call. Two calls one after the other never go back, except
// by the wrap at 2^64.
func (u *Uint64) Load() uint64 {
	sum := u.base.Load()
	if c := u.cells.Load(); c != nil {
		for i := range c.cell {
			sum += c.cell[i].word.Load()
		}
	}
	return sum
}
