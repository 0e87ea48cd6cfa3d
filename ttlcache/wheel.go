package ttlcache

import (
	"math"
	"math/bits"

	"github.com/mainstay-go/mainstay/internal/lrulist"
)

// A hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7) keeps
// the entries that can expire, by the instant at which they are due. A level is
// 64 slots; a slot of level 0 is one nanosecond wide, and one of each further
// level is as wide as the whole level below:
//
//	          |<- position
//	level 2   | [. . x . . . . x]     a slot: 4.1 us
//	level 1   | [. x . . . . . .]     a slot:  64 ns
//	level 0   | [x . x . . . . .]     a slot:   1 ns
//
// An entry goes to the level of the highest digit, in base 64, in which its
// instant differs from the position, hence into a slot that starts after it. To
// move on, the earliest slot in use is emptied: the position goes to where that
// slot starts, and each of its entries is found to be due or is placed anew, on
// a lower level. Hence every entry moves down at most once a level, and a slot
// that lies wholly in the past is emptied without moving anything.
//
// Eleven levels hold every 64-bit instant, so there is no list of those too far
// away. Since the lowest slot is a nanosecond, a wheel that has been moved to an
// instant has returned exactly the entries that are due by it. Three levels
// fewer would save a few hundred bytes and need a second rule for the slot in
// which the present is (the wheels of Caffeine and otter have ticks of a
// second, and are late by as much).
const (
	levelBits = 6
	slots     = 1 << levelBits
	levels    = (64 + levelBits - 1) / levelBits
)

// nowhere is the slot of an entry that is not in the wheel. Slots count from 1,
// so that it is the zero value.
const nowhere = 0

// never is the instant of what does not expire.
const never int64 = math.MaxInt64

// wheel orders entries of a table by the instant at which they are due. The
// entries of a slot are a doubly linked list through the items of the table.
type wheel[K comparable, V any] struct {
	table    *lrulist.Table[K, item[V]]
	len      int
	position uint64         // no entry has an earlier slot, except those that are being emptied
	next     uint64         // not later than the start of the earliest slot in use
	pending  uint16         // the slot that is being emptied, or nowhere; it starts at the position
	used     [levels]uint64 // a bit for each slot that has entries
	heads    [levels * slots]uint32
}

// axis maps instants to unsigned numbers in the same order: a cache that was
// made outside a bubble and is used inside reads negative times.
func axis(instant int64) uint64 { return uint64(instant) ^ 1<<63 }

func instant(axis uint64) int64 { return int64(axis ^ 1<<63) }

// add places entry i, which is in no slot, to be returned once the wheel is
// moved to the instant at. Before the first entry the position is free to
// choose: it is now.
func (w *wheel[K, V]) add(i uint32, at, now int64) {
	if w.len == 0 {
		w.position, w.next, w.pending = axis(now), math.MaxUint64, nowhere
	}
	w.len++
	w.place(i, at)
}

// place links entry i into its slot. An instant that has passed is due at the
// position.
func (w *wheel[K, V]) place(i uint32, at int64) {
	due := max(axis(at), w.position)
	level := levelOf(due ^ w.position)
	shift := level * levelBits
	w.next = min(w.next, due>>shift<<shift)
	slot := level*slots + int(due>>shift%slots)
	it := &w.table.At(i).Value
	head := w.heads[slot]
	if head != 0 {
		w.table.At(head).Value.wheelPrev = i
	}
	it.wheelPrev, it.wheelNext, it.slot = 0, head, uint16(slot+1)
	w.heads[slot] = i
	w.used[level] |= 1 << (slot % slots)
}

// levelOf returns the level of the highest digit that is not zero.
func levelOf(difference uint64) int {
	return (bits.Len64(difference|1) - 1) / levelBits
}

// remove takes entry i out of the wheel, wherever it is.
func (w *wheel[K, V]) remove(i uint32) {
	w.unlink(i)
	w.len--
}

// unlink takes entry i out of its slot.
func (w *wheel[K, V]) unlink(i uint32) {
	it := &w.table.At(i).Value
	if it.wheelNext != 0 {
		w.table.At(it.wheelNext).Value.wheelPrev = it.wheelPrev
	}
	if it.wheelPrev != 0 {
		w.table.At(it.wheelPrev).Value.wheelNext = it.wheelNext
	} else if slot := int(it.slot - 1); it.wheelNext == 0 {
		w.heads[slot] = 0
		w.used[slot/slots] &^= 1 << (slot % slots)
	} else {
		w.heads[slot] = it.wheelNext
	}
	it.wheelPrev, it.wheelNext, it.slot = 0, 0, nowhere
}

// pop moves the wheel towards now and takes the first entry of the earliest
// slot out, or returns 0 if every slot that is left starts later than now. The
// entry may be due later than now; then the caller adds it again.
func (w *wheel[K, V]) pop(now int64) uint32 {
	if !w.behind(now) {
		return 0
	}
	if w.pending == nowhere || w.heads[w.pending-1] == 0 {
		slot, start := w.earliest()
		w.next = start
		if start > axis(now) {
			w.pending = nowhere
			w.position = max(w.position, axis(now)) // nothing lies in between
			return 0
		}
		w.position, w.pending = start, uint16(slot+1)
	}
	i := w.heads[w.pending-1]
	w.remove(i)
	return i
}

// earliest returns the slot in use that starts first, and its start. A lower
// level ends before the next slot of a higher one starts, so it is on the
// lowest level that has any. The wheel must not be empty.
func (w *wheel[K, V]) earliest() (slot int, start uint64) {
	level := 0
	for w.used[level] == 0 {
		level++
	}
	slot = bits.TrailingZeros64(w.used[level])
	shift := level * levelBits
	start = w.position>>shift>>levelBits<<levelBits | uint64(slot)
	return level*slots + slot, max(start<<shift, w.position)
}

// wake returns a good instant to move the wheel to: one at which entries are
// due, and if may be late by patience, at which all of their slot are. never
// means that the wheel is empty.
func (w *wheel[K, V]) wake(patience int64) int64 {
	if w.len == 0 {
		return never
	}
	if w.pending != nowhere && w.heads[w.pending-1] != 0 {
		return instant(w.position)
	}
	slot, start := w.earliest()
	if width := int64(1) << (slot / slots * levelBits); width <= patience {
		return instant(start + uint64(width) - 1)
	}
	return instant(start)
}

// behind tells whether pop might return an entry.
func (w *wheel[K, V]) behind(now int64) bool { return w.len > 0 && w.next <= axis(now) }

// rebuild links all entries of the table that are in the wheel anew, after
// their indices have changed.
func (w *wheel[K, V]) rebuild(due func(*item[V]) int64) {
	w.used, w.heads = [levels]uint64{}, [levels * slots]uint32{}
	w.pending, w.next = nowhere, math.MaxUint64
	for i := w.table.Front(); i != 0; i = w.table.Next(i) {
		if it := &w.table.At(i).Value; it.slot != nowhere {
			w.place(i, due(it))
		}
	}
}

// clear empties the wheel of a table that has been cleared.
func (w *wheel[K, V]) clear() { *w = wheel[K, V]{table: w.table} }
