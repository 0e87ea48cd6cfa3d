package idgen

import "time"

// composer turns a position, which is a tick and a sequence number, into an id:
// it moves the two apart, or up, to make room for the node. All of it is fixed
// by New.
//
//	position        |     tick     | sequence |
//	Snowflake       |     tick     | node | sequence |
//	NodeLow         |     tick     | sequence | node |
type composer struct {
	layout   Layout
	number   int64  // of the node
	unit     uint64 // nanoseconds of a tick
	end      uint64 // the first tick that does not fit
	seqMask  uint64 // the sequence within a position
	node     uint64 // the node where it stands in an id
	seqBits  uint8
	nodeBits uint8
	seqShift uint8 // from the sequence in a position to that in an id
}

func newComposer(l Layout, node int64) composer {
	nodeShift, seqShift := l.shifts()
	return composer{
		layout:   l,
		number:   node,
		unit:     uint64(l.Unit),
		end:      1 << l.TimeBits,
		seqMask:  1<<l.SequenceBits - 1,
		node:     uint64(node) << nodeShift,
		seqBits:  uint8(l.SequenceBits),
		nodeBits: uint8(l.NodeBits),
		seqShift: uint8(seqShift),
	}
}

// tick returns the tick of an instant in nanoseconds since the epoch. A
// division by a constant is a multiplication.
func (c *composer) tick(now uint64) uint64 {
	const ms = uint64(time.Millisecond)
	if c.unit == ms {
		return now / ms
	}
	return now / c.unit
}

// compose returns the id of a position. The masks tell the compiler that no
// shift is longer than the word.
func (c *composer) compose(position uint64) ID {
	time := position &^ c.seqMask << (c.nodeBits & 63)
	seq := position & c.seqMask << (c.seqShift & 63)
	return ID(time | seq | c.node)
}

// composeAll fills dst with the ids of the positions from first on.
func (c *composer) composeAll(dst []ID, first uint64) {
	for i := range dst {
		dst[i] = c.compose(first + uint64(i))
	}
}
