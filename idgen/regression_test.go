package idgen

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What has gone wrong in other generators. More stand beside the tests of their subject: TestRegression….

// zitadel/zitadel#9075 and #10484, sony/sonyflake#82, rs/xid#64 and #81: a node number derived from an address, a process id or a
// machine id is the same in two containers. Here a number is given, or leased; if it is not given it is 0, on every machine.
func TestRegressionNoNumberIsDerived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		assert.Zero(t, newGen(t, Config{}).Stats().Node)
		store := &MemoryStore{}
		for node := range int64(8) {
			l := lease(t, store)
			defer l.Close()
			assert.Equal(t, node, newGen(t, Config{Lease: l}).Stats().Node)
		}
	})
}

// yitter/IdGenerator shifts a narrow type: with 12 bits of sequence the nodes 0 and 16 make the same ids. Here the nodes of every
// width, at the same instant, make ids that differ and give the node back.
func TestRegressionNoNodeIsShiftedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, low := range []bool{false, true} {
			for _, l := range []Layout{
				{TimeBits: 41, NodeBits: 10, SequenceBits: 12, NodeLow: low},
				{TimeBits: 38, NodeBits: 24, SequenceBits: 1, NodeLow: low},
				{TimeBits: 37, NodeBits: 2, SequenceBits: 24, NodeLow: low},
			} {
				seen := map[ID]bool{}
				for bit := range l.NodeBits {
					g := newGen(t, Config{Layout: l, Node: 1 << bit})
					id := g.compose(1 << l.SequenceBits)
					require.Equal(t, Parts{Time: defaultEpoch.Add(ms), Node: 1 << bit}, l.Decode(id))
					seen[id] = true
				}
				assert.Len(t, seen, l.NodeBits)
			}
		}
	})
}

// bwmarrin/snowflake takes an epoch after now and makes negative ids, on which its Base58 panics; a sequence of its own restarts
// on a corrected clock. Here New refuses the epoch, by a nanosecond too.
func TestRegressionEpochAfterNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Layout{Epoch: time.Now().Add(1)}
		_, err := New(Config{Layout: l})
		require.ErrorIs(t, err, ErrConfig)
		time.Sleep(1)
		id, err := newGen(t, Config{Layout: l}).Next(t.Context())
		require.NoError(t, err)
		assert.Positive(t, id)
	})
}

// bwmarrin/snowflake#20 and #38: a process that is restarted after the clock was set back repeats ids. Here the last one's date is
// handed on, and the next process is later or refuses.
func TestRegressionRestartOnACorrectedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, back := range []time.Duration{ms, time.Second, 9 * time.Second, time.Minute} {
			g, wall := scripted(t, Config{})
			last, err := g.Next(t.Context())
			require.NoError(t, err)
			wall.step(-back)
			next, err := NewWithWall(Config{NotBefore: g.Stats().Last}, wall.now)
			if back > defaultRollback {
				require.ErrorIs(t, err, ErrClockBackwards)
				continue
			}
			require.NoError(t, err)
			id, err := next.Next(t.Context())
			require.NoError(t, err)
			assert.Greater(t, id, last)
		}
	})
}
