package stripe

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSizes(t *testing.T) {
	assert.Equal(t, uintptr(lineBytes), unsafe.Sizeof(cell{}))
	if math.MaxInt > math.MaxInt32 {
		assert.Equal(t, uintptr(16), unsafe.Sizeof(Uint64{}))
		assert.Equal(t, uintptr(16), unsafe.Sizeof(Float64{}))
	}
	c := newCells()
	assert.GreaterOrEqual(t, len(c.cell), min(4*runtime.GOMAXPROCS(0), maxCells))
	assert.Len(t, c.cell, 1<<(64-c.shift))
	for _, h := range []uint64{0, 1, math.MaxUint64, hint()} {
		assert.NotPanics(t, func() { c.first(h).Add(1); c.second(h).Add(1) })
	}
}

// A counter alone stays one word, whatever is added.
func TestNoCellsWithoutContention(t *testing.T) {
	var u Uint64
	var f Float64
	for i := range uint64(10_000) {
		u.Inc()
		u.Add(i)
		u.Add(64)
		f.Add(1)
	}
	assert.Nil(t, u.cells.Load())
	assert.Nil(t, f.cells.Load())
	assert.Equal(t, uint64(10_000*65+9999*10_000/2), u.Load())
	assert.InDelta(t, 10_000.0, f.Load(), 0)
}

// With cells nothing is lost, in the cells or in the base from before, and both choices of a cell count.
func TestCellsCount(t *testing.T) {
	var u Uint64
	var f Float64
	u.Add(5)
	f.Add(5)
	u.cells.Store(newCells())
	f.cells.Store(newCells())
	c := u.cells.Load()
	for i := range c.cell {
		c.cell[i].word.Add(1)
	}
	base := uint64(5 + len(c.cell))
	assert.Equal(t, base, u.Load())
	const workers, rounds = 8, 5000
	hammer.Run(t, workers, rounds, func(_ int, _ *rand.Rand) error {
		before, sum := u.Load(), f.Load()
		u.Inc()
		u.Add(2)
		f.Add(0.5)
		f.Add(1)
		if u.Load() < before+3 || f.Load() < sum+1.5 {
			return errors.New("an add that happened before is missing")
		}
		return nil
	})
	assert.Equal(t, base+3*workers*rounds, u.Load())
	assert.InDelta(t, 5+1.5*workers*rounds, f.Load(), 0)
	assert.Equal(t, uint64(5), u.base.Load(), "the base keeps what it counted before")
}

// The sum goes on from 0 after 2^64-1, whether it is in the base or in the cells.
func TestWrapAround(t *testing.T) {
	var u Uint64
	u.cells.Store(newCells())
	u.Add(math.MaxUint64)
	u.base.Add(3)
	assert.Equal(t, uint64(2), u.Load())
}

func TestFloatStaysFinite(t *testing.T) {
	var f Float64
	f.Add(math.MaxFloat64)
	f.Add(math.MaxFloat64)
	assert.InDelta(t, math.MaxFloat64, f.Load(), 0)
	f.cells.Store(newCells())
	f.Add(math.MaxFloat64)
	f.Add(1)
	assert.InDelta(t, math.MaxFloat64, f.Load(), 0)
}

// One processor never grows cells: what looks like contention is a preemption.
func TestOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var u Uint64
	var f Float64
	hammer.Run(t, 8, 2000, func(_ int, rng *rand.Rand) error {
		u.Inc()
		f.Add(1)
		if rng.IntN(100) == 0 {
			runtime.Gosched()
		}
		return nil
	})
	assert.Equal(t, uint64(16_000), u.Load())
	assert.InDelta(t, 16_000.0, f.Load(), 0)
	assert.Nil(t, u.cells.Load())
	assert.Nil(t, f.cells.Load())
}

// Losing a base twice makes cells, where there is another processor to lose it to.
func TestGrowth(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var u Uint64
	var f Float64
	hammer.Run(t, 8, 30_000, func(_ int, _ *rand.Rand) error {
		u.Inc()
		f.Add(1)
		return nil
	})
	assert.Equal(t, uint64(240_000), u.Load())
	assert.InDelta(t, 240_000.0, f.Load(), 0)
}

func TestNoAllocations(t *testing.T) {
	var u, cellular Uint64
	var f Float64
	cellular.cells.Store(newCells())
	assert.Zero(t, testing.AllocsPerRun(1000, func() { u.Inc(); u.Add(3); cellular.Inc(); f.Add(1); cellular.Load() }))
}
