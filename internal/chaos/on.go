//go:build chaos

package chaos

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// Enabled tells whether the build has yield points.
const Enabled = true

// oneIn is the share of visits that yield: rare enough that goroutines make
// progress between two points, frequent enough that a history of a few hundred
// operations meets every gap.
const oneIn = 4

var visits sync.Map // name -> *atomic.Uint64

// Point counts the visit and yields the processor on one visit in four.
func Point(name string) {
	n, ok := visits.Load(name)
	if !ok {
		n, _ = visits.LoadOrStore(name, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
	if rand.Uint32()%oneIn == 0 {
		runtime.Gosched()
	}
}

// Visits returns how often the point was reached: a test that relies on a gap
// asserts that the gap was there.
func Visits(name string) uint64 {
	n, ok := visits.Load(name)
	if !ok {
		return 0
	}
	return n.(*atomic.Uint64).Load()
}
