package ttlcache

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/lrulist"
)

// validateWheel checks that every slot in use is marked and linked both ways, that no entry is in a slot that starts after
// it is due, and that the counts agree.
func validateWheel[K comparable, V any](t require.TestingT, w *wheel[K, V], due func(*item[V]) int64) {
	count := 0
	for slot, head := range w.heads {
		if head == 0 && w.used[slot/slots]>>(slot%slots)&1 == 0 {
			continue
		}
		require.Equal(t, head != 0, w.used[slot/slots]>>(slot%slots)&1 == 1, "slot %d", slot)
		prev := uint32(0)
		for i := head; i != 0; prev, i = i, w.table.At(i).Value.wheelNext {
			it := &w.table.At(i).Value
			require.Equal(t, uint16(slot+1), it.slot)
			require.Equal(t, prev, it.wheelPrev)
			shift := slot / slots * levelBits
			start := w.position>>shift>>levelBits<<levelBits | uint64(slot%slots)
			require.LessOrEqual(t, start<<shift, max(axis(due(it)), w.position))
			require.LessOrEqual(t, w.next, max(start<<shift, w.position), "slot %d", slot)
			count++
		}
	}
	require.Equal(t, w.len, count)
	for i := w.table.Front(); i != 0; i = w.table.Next(i) {
		if w.table.At(i).Value.slot != nowhere {
			count--
		}
	}
	require.Zero(t, count)
}

// wheelRig is a wheel beside a sorted list of what is in it.
type wheelRig struct {
	table lrulist.Table[int, item[int]]
	wheel wheel[int, int]
	now   int64
	due   map[uint32]int64
	keys  int
}

func newWheelRig(now int64) *wheelRig {
	r := &wheelRig{table: lrulist.New[int, item[int]](1<<20, false), now: now, due: map[uint32]int64{}}
	r.wheel.table = &r.table
	return r
}

func (r *wheelRig) add(at int64) {
	r.keys++
	i := r.table.Insert(uint32(r.keys), r.keys, item[int]{deadline: at})
	r.wheel.add(i, at, r.now)
	r.due[i] = at
}

func (r *wheelRig) remove(i uint32) {
	r.wheel.remove(i)
	r.table.Remove(i)
	delete(r.due, i)
}

// advance moves the wheel to now and requires that it returns exactly what is due.
func (r *wheelRig) advance(t require.TestingT, now int64) {
	r.now = now
	for i := r.wheel.pop(now); i != 0; i = r.wheel.pop(now) {
		if r.due[i] > now {
			r.wheel.add(i, r.due[i], now)
			continue
		}
		r.table.Remove(i)
		delete(r.due, i)
	}
	for _, at := range r.due {
		require.Greater(t, at, now)
	}
}

func (r *wheelRig) check(t require.TestingT) {
	validateWheel(t, &r.wheel, func(it *item[int]) int64 { return it.deadline })
	require.Equal(t, len(r.due), r.wheel.len)
	first := never
	for _, at := range r.due {
		first = min(first, at)
	}
	for _, patience := range []int64{1, 1e6, 1e9, math.MaxInt64} {
		wake := r.wheel.wake(patience)
		if first == never {
			require.Equal(t, never, wake)
			continue
		}
		require.True(t, wake <= max(first, r.now) || wake-first < patience, "wakes at %d for %d, patience %d", wake, first, patience)
	}
}

// Distances of every magnitude, up to centuries.
func distances(n uint64) int64 { return int64(n >> (n % 63 & 63) >> 1) }

func TestWheelEqualsASortedList(t *testing.T) {
	for _, start := range []int64{0, 1, -1, 1 << 40, -26 * 365 * 24 * 3600e9, math.MinInt64 + 1} {
		rng := rand.New(rand.NewPCG(1, uint64(start)))
		r := newWheelRig(start)
		for range 600 {
			switch rng.IntN(4) {
			case 0, 1:
				r.add(after(r.now, max(1, timeOf(distances(rng.Uint64())))))
			case 2:
				if len(r.due) > 0 {
					r.remove(slices.Sorted(mapsKeys(r.due))[0])
				}
			default:
				if now := r.now + distances(rng.Uint64())>>8; now > r.now {
					r.advance(t, now)
				}
			}
			r.check(t)
		}
	}
}

// An instant that has passed, which a slower call may bring, is due at once.
func TestWheelTakesThePast(t *testing.T) {
	r := newWheelRig(1000)
	r.add(5000)
	r.advance(t, 4000)
	r.add(10)
	r.check(t)
	r.advance(t, 4000)
	require.Equal(t, 1, r.wheel.len)
}

// A wheel that has been emptied starts anew, wherever it was, also in the middle of a slot.
func TestWheelStartsAnew(t *testing.T) {
	r := newWheelRig(0)
	for range 3 {
		r.add(1 << 20)
	}
	require.NotZero(t, r.wheel.pop(1<<20))
	for i := range r.due {
		if r.table.At(i).Value.slot != nowhere {
			r.wheel.remove(i)
		}
	}
	r.due = map[uint32]int64{}
	r.now = 64
	r.add(1<<20 + 1) // into the slot that was being emptied
	r.add(100)
	r.check(t)
	require.Equal(t, int64(100), r.due[r.wheel.pop(100)], "what is due, not what is in that slot")
	require.Zero(t, r.wheel.pop(100))
}

// FuzzWheel reads the input as a program of nine bytes a step.
func FuzzWheel(f *testing.F) {
	f.Add([]byte("a\x00\x00\x00\x00\x00\x00\x00\x01t\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, program []byte) {
		r := newWheelRig(0)
		for n := 0; n+9 <= len(program) && n < 900; n += 9 {
			number := binary.BigEndian.Uint64(program[n+1:])
			switch program[n] % 3 {
			case 0:
				r.add(after(r.now, max(1, timeOf(int64(number>>1)))))
			case 1:
				if now := r.now + int64(number>>2); now > r.now {
					r.advance(t, now)
				}
			default:
				for i := range r.due {
					if uint64(i)%8 == number%8 {
						r.remove(i)
						break
					}
				}
			}
			r.check(t)
		}
	})
}
