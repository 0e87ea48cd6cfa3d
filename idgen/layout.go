package idgen

import (
	"math"
	"math/bits"
	"time"
)

// Layout divides an id into TimeBits of ticks since Epoch, NodeBits and
// SequenceBits, from high to low. It is a plain value; the zero Layout is
// Snowflake(). The methods work on the value with its defaults filled in; of a
// Layout for which Validate fails they return zero values, and Compose the
// error.
//
//	 62                        22 21      12 11          0
//	+----------------------------+----------+-------------+
//	|   ticks since the epoch    |   node   |  sequence   |    Snowflake
//	+----------------------------+----------+-------------+
type Layout struct {
	// Epoch is the start of tick 0, within 1970 to 2200; the zero time means
	// 2000-01-01 UTC, where a testing/synctest bubble starts too. Never change
	// it once ids exist.
	Epoch time.Time

	// Unit is the length of a tick, 1µs to 1m; 0 means 1ms.
	Unit time.Duration

	TimeBits     int // 1 to 62; if all three widths are 0 they are 41, 10 and 12, and their sum is at most 63
	NodeBits     int // 0 to 24
	SequenceBits int // 1 to 24

	// NodeLow puts the node into the lowest bits, below the sequence.
	NodeLow bool
}

// The limits of a Layout.
const (
	maxBits      = 63 // an id is never negative
	maxTimeBits  = 62
	maxFieldBits = 24
	minUnit      = time.Microsecond
	maxUnit      = time.Minute
)

// The epochs, and what the fields of a Layout lie between.
var (
	defaultEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	firstEpoch   = time.Unix(0, 0)
	lastEpoch    = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

	// farthest is the last instant that a time.Time can hold.
	farthest = time.Unix(math.MaxInt64-62135596800, 999_999_999).UTC()
)

// Snowflake is 41/10/12 bits in ms from 2000-01-01: 1024 nodes with 4096 ids
// per ms each, until 2069-09-06.
func Snowflake() Layout {
	return Layout{Epoch: defaultEpoch, Unit: time.Millisecond, TimeBits: 41, NodeBits: 10, SequenceBits: 12}
}

// Twitter is Snowflake from 2010-11-04T01:42:54.657Z, the epoch of the original
// and of its descendants, until 2080-07-10. In a synctest bubble, which starts
// in 2000, sleep to the epoch first.
func Twitter() Layout {
	l := Snowflake()
	l.Epoch = time.UnixMilli(1288834974657).UTC()
	return l
}

// Sonyflake is 39/16/8 bits in 10 ms from 2025-01-01, with the node lowest:
// 65,536 nodes with 25,600 ids per second each, until 2199. In a synctest
// bubble, which starts in 2000, sleep to the epoch first.
func Sonyflake() Layout {
	epoch := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	return Layout{Epoch: epoch, Unit: 10 * time.Millisecond, TimeBits: 39, NodeBits: 16, SequenceBits: 8, NodeLow: true}
}

// JavaScript is 41/6/6 bits in ms from 2000-01-01: below 2^53, so that a
// float64 holds every id exactly. 64 nodes with 64 ids per ms each, until
// 2069-09-06.
func JavaScript() Layout {
	return Layout{Epoch: defaultEpoch, Unit: time.Millisecond, TimeBits: 41, NodeBits: 6, SequenceBits: 6}
}

// Validate returns nil or an error that matches ErrConfig and names the field
// at fault.
func (l Layout) Validate() error {
	l = l.filled()
	switch {
	case l.Epoch.Before(firstEpoch) || l.Epoch.After(lastEpoch):
		return configError("Layout.Epoch", "within 1970 to 2200", l.Epoch)
	case l.Unit < minUnit || l.Unit > maxUnit:
		return configError("Layout.Unit", "1µs to 1m, or 0 for 1ms", l.Unit)
	case l.TimeBits < 1 || l.TimeBits > maxTimeBits:
		return configError("Layout.TimeBits", "1 to 62", l.TimeBits)
	case l.NodeBits < 0 || l.NodeBits > maxFieldBits:
		return configError("Layout.NodeBits", "0 to 24", l.NodeBits)
	case l.SequenceBits < 1 || l.SequenceBits > maxFieldBits:
		return configError("Layout.SequenceBits", "1 to 24", l.SequenceBits)
	case l.width() > maxBits:
		return configError("Layout.TimeBits + NodeBits + SequenceBits", "at most 63", l.width())
	}
	return nil
}

// filled returns l with its defaults; checked also reports whether it is valid.
func (l Layout) filled() Layout {
	if l.Epoch.IsZero() {
		l.Epoch = defaultEpoch
	}
	if l.Unit == 0 {
		l.Unit = time.Millisecond
	}
	if l.TimeBits == 0 && l.NodeBits == 0 && l.SequenceBits == 0 {
		l.TimeBits, l.NodeBits, l.SequenceBits = 41, 10, 12
	}
	return l
}

func (l Layout) checked() (Layout, bool) { return l.filled(), l.Validate() == nil }

func (l Layout) width() int { return l.TimeBits + l.NodeBits + l.SequenceBits }

// MaxNode is the largest node number: 0 if NodeBits is 0.
func (l Layout) MaxNode() int64 {
	l, ok := l.checked()
	if !ok {
		return 0
	}
	return 1<<l.NodeBits - 1
}

// Expires is the first instant that does not fit into TimeBits, in UTC, or the
// last one that a time.Time can hold.
func (l Layout) Expires() time.Time {
	l, ok := l.checked()
	if !ok {
		return time.Time{}
	}
	return l.at(1 << l.TimeBits)
}

// Parts is what an id is made of.
type Parts struct {
	Time     time.Time // the start of the tick, in UTC, when it comes from Decode
	Node     int64
	Sequence int64
}

// Decode takes an id apart. Any id will do; what lies above the bits of the
// layout is ignored. Decode does not tell whether an id was ever made.
func (l Layout) Decode(id ID) Parts {
	l, ok := l.checked()
	if !ok {
		return Parts{}
	}
	nodeShift, seqShift := l.shifts()
	tick := uint64(id) >> (l.NodeBits + l.SequenceBits) & (1<<l.TimeBits - 1)
	return Parts{
		Time:     l.at(tick),
		Node:     int64(id) >> nodeShift & (1<<l.NodeBits - 1),
		Sequence: int64(id) >> seqShift & (1<<l.SequenceBits - 1),
	}
}

// Compose puts an id together, for instance for rows that are older than their
// ids. It touches no generator and cannot know whether the id exists already.
// The time is rounded down to its tick. An error matches ErrConfig and names
// the field, or ErrExpired.
func (l Layout) Compose(p Parts) (ID, error) {
	if err := l.Validate(); err != nil {
		return 0, err
	}
	l = l.filled()
	switch {
	case p.Time.Before(l.Epoch):
		return 0, configError("Parts.Time", "at or after "+l.Epoch.UTC().Format(time.RFC3339Nano), p.Time)
	case p.Node < 0 || p.Node >= 1<<l.NodeBits:
		return 0, configError("Parts.Node", "0 to Layout.MaxNode()", p.Node)
	case p.Sequence < 0 || p.Sequence >= 1<<l.SequenceBits:
		return 0, configError("Parts.Sequence", "0 to 2^SequenceBits-1", p.Sequence)
	}
	tick, _ := l.tick(p.Time)
	if tick >= 1<<l.TimeBits {
		return 0, ErrExpired
	}
	nodeShift, seqShift := l.shifts()
	return ID(int64(tick)<<(l.NodeBits+l.SequenceBits) | p.Node<<nodeShift | p.Sequence<<seqShift), nil
}

// FirstAt is the smallest id of any node with a time at or after t: the bound
// of a range query. It is 0 before the epoch and math.MaxInt64 from Expires()
// on.
//
//	WHERE id >= FirstAt(from) AND id < FirstAt(to)
func (l Layout) FirstAt(t time.Time) ID {
	l, ok := l.checked()
	if !ok || !t.After(l.Epoch) {
		return 0
	}
	tick, rest := l.tick(t)
	if rest > 0 {
		tick++
	}
	if tick >= 1<<l.TimeBits {
		return math.MaxInt64
	}
	return ID(tick << (l.NodeBits + l.SequenceBits))
}

func (l Layout) shifts() (node, seq int) {
	if l.NodeLow {
		return 0, l.NodeBits
	}
	return l.SequenceBits, 0
}

// tick returns the tick of t and the nanoseconds that t lies behind its start;
// t is not before the epoch. The nanoseconds between the two may need 93 bits:
// 39 bits of 10 ms are 174 years, and 41 bits of it more than an int64 holds.
// A tick that exceeds 64 bits is cut to the largest with nothing behind it.
func (l Layout) tick(t time.Time) (tick, rest uint64) {
	hi, lo := bits.Mul64(uint64(t.Unix()-l.Epoch.Unix()), uint64(time.Second))
	lo, carry := bits.Add64(lo, uint64(t.Nanosecond()), 0)
	hi += carry
	lo, borrow := bits.Sub64(lo, uint64(l.Epoch.Nanosecond()), 0)
	hi -= borrow
	if hi >= uint64(l.Unit) {
		return math.MaxUint64, 0
	}
	return bits.Div64(hi, lo, uint64(l.Unit))
}

// at returns the start of a tick.
func (l Layout) at(tick uint64) time.Time {
	hi, lo := bits.Mul64(tick, uint64(l.Unit))
	lo, carry := bits.Add64(lo, uint64(l.Epoch.Nanosecond()), 0)
	hi += carry
	if hi >= uint64(time.Second) {
		return farthest
	}
	sec, nsec := bits.Div64(hi, lo, uint64(time.Second))
	if sec > uint64(farthest.Unix()-l.Epoch.Unix()) {
		return farthest
	}
	return time.Unix(l.Epoch.Unix()+int64(sec), int64(nsec)).UTC()
}
