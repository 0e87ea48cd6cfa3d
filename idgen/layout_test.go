package idgen

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var presets = map[string]Layout{
	"zero": {}, "Snowflake": Snowflake(), "Twitter": Twitter(), "Sonyflake": Sonyflake(), "JavaScript": JavaScript(),
}

// badLayouts are refused with the name of the field.
var badLayouts = []struct {
	name, field string
	layout      Layout
}{
	{"before 1970", "Layout.Epoch", Layout{Epoch: time.Unix(0, -1)}},
	{"after 2200", "Layout.Epoch", Layout{Epoch: time.Date(2200, 1, 1, 0, 0, 0, 1, time.UTC)}},
	{"unit -1", "Layout.Unit", Layout{Unit: -1}},
	{"unit 1", "Layout.Unit", Layout{Unit: 1}},
	{"unit below 1µs", "Layout.Unit", Layout{Unit: time.Microsecond - 1}},
	{"unit above 1m", "Layout.Unit", Layout{Unit: time.Minute + 1}},
	{"unit MaxInt64", "Layout.Unit", Layout{Unit: math.MaxInt64}},
	{"unit MinInt64", "Layout.Unit", Layout{Unit: math.MinInt64}},
	{"no time", "Layout.TimeBits", Layout{NodeBits: 10, SequenceBits: 12}},
	{"time -1", "Layout.TimeBits", Layout{TimeBits: -1, NodeBits: 10, SequenceBits: 12}},
	{"time 63", "Layout.TimeBits", Layout{TimeBits: 63, SequenceBits: 1}},
	{"time MinInt", "Layout.TimeBits", Layout{TimeBits: math.MinInt, SequenceBits: 1}},
	{"node -1", "Layout.NodeBits", Layout{TimeBits: 41, NodeBits: -1, SequenceBits: 12}},
	{"node 25", "Layout.NodeBits", Layout{TimeBits: 30, NodeBits: 25, SequenceBits: 2}},
	{"no sequence", "Layout.SequenceBits", Layout{TimeBits: 41, NodeBits: 10}},
	{"sequence -1", "Layout.SequenceBits", Layout{TimeBits: 41, NodeBits: 10, SequenceBits: -1}},
	{"sequence 25", "Layout.SequenceBits", Layout{TimeBits: 30, SequenceBits: 25}},
	{"sequence MaxInt", "Layout.SequenceBits", Layout{TimeBits: 30, SequenceBits: math.MaxInt}},
	{"64 bits", "Layout.TimeBits + NodeBits + SequenceBits", Layout{TimeBits: 42, NodeBits: 10, SequenceBits: 12}},
}

func TestValidateNamesTheField(t *testing.T) {
	for _, c := range badLayouts {
		err := c.layout.Validate()
		require.ErrorIs(t, err, ErrConfig, c.name)
		require.ErrorContains(t, err, "idgen: invalid config: "+c.field+" must be ", c.name)
		require.ErrorContains(t, err, ", got ", c.name)
	}
}

func TestMethodsOfAnInvalidLayoutReturnZero(t *testing.T) {
	for _, c := range badLayouts {
		l := c.layout
		assert.Zero(t, l.MaxNode(), c.name)
		assert.Zero(t, l.Expires(), c.name)
		assert.Zero(t, l.Decode(math.MaxInt64), c.name)
		assert.Zero(t, l.FirstAt(time.Now()), c.name)
		_, err := l.Compose(Parts{Time: time.Now()})
		require.ErrorIs(t, err, ErrConfig, c.name)
	}
}

func TestValidateAcceptsTheEdges(t *testing.T) {
	for _, l := range []Layout{
		{},
		{Epoch: time.Unix(0, 0)},
		{Epoch: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Unit: time.Microsecond},
		{Unit: time.Minute},
		{TimeBits: 62, SequenceBits: 1},
		{TimeBits: 1, NodeBits: 24, SequenceBits: 24},
		{TimeBits: 41, NodeBits: 10, SequenceBits: 12, NodeLow: true},
	} {
		require.NoError(t, l.Validate(), "%+v", l)
	}
	for name, l := range presets {
		require.NoError(t, l.Validate(), name)
	}
}

func TestDefaultsAreFilledFieldByField(t *testing.T) {
	assert.Equal(t, Snowflake(), Layout{}.filled())
	assert.Equal(t, Layout{Epoch: Snowflake().Epoch, Unit: time.Second, TimeBits: 41, NodeBits: 10, SequenceBits: 12}, Layout{Unit: time.Second}.filled())
	assert.Equal(t, 0, Layout{TimeBits: 41, SequenceBits: 12}.filled().NodeBits, "widths are filled only together")
}

func TestPresets(t *testing.T) {
	for _, c := range []struct {
		layout        Layout
		maxNode       int64
		epoch, expiry string
	}{
		{Layout{}, 1023, "2000-01-01T00:00:00Z", "2069-09-06T15:47:35.552Z"},
		{Snowflake(), 1023, "2000-01-01T00:00:00Z", "2069-09-06T15:47:35.552Z"},
		{Twitter(), 1023, "2010-11-04T01:42:54.657Z", "2080-07-10T17:30:30.209Z"},
		{Sonyflake(), 65535, "2025-01-01T00:00:00Z", "2199-03-19T03:28:58.88Z"},
		{JavaScript(), 63, "2000-01-01T00:00:00Z", "2069-09-06T15:47:35.552Z"},
	} {
		assert.Equal(t, c.maxNode, c.layout.MaxNode())
		assert.Equal(t, c.epoch, c.layout.Decode(0).Time.Format(time.RFC3339Nano))
		assert.Equal(t, c.expiry, c.layout.Expires().Format(time.RFC3339Nano))
	}
	last, err := JavaScript().Compose(Parts{Time: JavaScript().Expires().Add(-1), Node: 63, Sequence: 63})
	require.NoError(t, err)
	assert.Equal(t, ID(1<<53-1), last, "the largest integer that JavaScript is sure of")
}

// The id of a published example: Wikipedia's tweet of the "Snowflake ID" article.
func TestDecodeOfAKnownTweet(t *testing.T) {
	p := Twitter().Decode(1541815603606036480)
	assert.Equal(t, "2022-06-28T16:07:40.105Z", p.Time.Format(time.RFC3339Nano))
	assert.Equal(t, int64(378), p.Node)
	assert.Zero(t, p.Sequence)
}

func TestComposeRefuses(t *testing.T) {
	l := Snowflake()
	in := l.Epoch.Add(time.Hour)
	for _, c := range []struct {
		name, field string
		parts       Parts
	}{
		{"before the epoch", "Parts.Time", Parts{Time: l.Epoch.Add(-1)}},
		{"the zero time", "Parts.Time", Parts{}},
		{"node -1", "Parts.Node", Parts{Time: in, Node: -1}},
		{"node 1024", "Parts.Node", Parts{Time: in, Node: 1024}},
		{"node MinInt64", "Parts.Node", Parts{Time: in, Node: math.MinInt64}},
		{"sequence -1", "Parts.Sequence", Parts{Time: in, Sequence: -1}},
		{"sequence 4096", "Parts.Sequence", Parts{Time: in, Sequence: 4096}},
		{"sequence MaxInt64", "Parts.Sequence", Parts{Time: in, Sequence: math.MaxInt64}},
	} {
		id, err := l.Compose(c.parts)
		require.ErrorIs(t, err, ErrConfig, c.name)
		require.ErrorContains(t, err, c.field, c.name)
		assert.Zero(t, id)
	}
	for _, late := range []time.Time{l.Expires(), l.Expires().AddDate(1000, 0, 0), farthest} {
		_, err := l.Compose(Parts{Time: late})
		require.ErrorIs(t, err, ErrExpired, late)
	}
}

func layouts() *rapid.Generator[Layout] {
	return rapid.Custom(func(rt *rapid.T) Layout {
		l := Layout{
			Epoch:        time.Unix(rapid.Int64Range(0, lastEpoch.Unix()-1).Draw(rt, "epoch"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns")),
			Unit:         time.Duration(rapid.Int64Range(int64(minUnit), int64(maxUnit)).Draw(rt, "unit")),
			NodeBits:     rapid.IntRange(0, 24).Draw(rt, "node"),
			SequenceBits: rapid.IntRange(1, 24).Draw(rt, "sequence"),
			NodeLow:      rapid.Bool().Draw(rt, "low"),
		}
		l.TimeBits = rapid.IntRange(1, min(62, 63-l.NodeBits-l.SequenceBits)).Draw(rt, "time")
		return l
	})
}

// reference is the layout in big numbers and strings of bits.
func reference(l Layout, tick uint64, node, seq int64) *big.Int {
	id := new(big.Int).SetUint64(tick)
	first, firstBits, second, secondBits := node, l.NodeBits, seq, l.SequenceBits
	if l.NodeLow {
		first, firstBits, second, secondBits = seq, l.SequenceBits, node, l.NodeBits
	}
	id.Lsh(id, uint(firstBits)).Add(id, big.NewInt(first))
	return id.Lsh(id, uint(secondBits)).Add(id, big.NewInt(second))
}

// Any layout equals the one in big numbers, in both directions, and the generator's own arithmetic equals Compose.
func TestLayoutEqualsBigNumbers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := layouts().Draw(rt, "layout")
		tick := rapid.Uint64Range(0, 1<<l.TimeBits-1).Draw(rt, "tick")
		node := rapid.Int64Range(0, l.MaxNode()).Draw(rt, "node")
		seq := rapid.Int64Range(0, 1<<l.SequenceBits-1).Draw(rt, "seq")
		want := reference(l, tick, node, seq)
		require.True(rt, want.IsInt64())
		id := ID(want.Int64())
		c := newComposer(l, node)
		require.Equal(rt, id, c.compose(tick<<l.SequenceBits|uint64(seq)))

		parts := l.Decode(id)
		require.Equal(rt, node, parts.Node)
		require.Equal(rt, seq, parts.Sequence)
		require.Equal(rt, parts, l.Decode(id|math.MinInt64), "bits above are ignored")
		if !parts.Time.Before(farthest) {
			return
		}
		back, err := l.Compose(parts)
		require.NoError(rt, err)
		require.Equal(rt, id, back)
		start := id &^ (1<<(l.NodeBits+l.SequenceBits) - 1)
		require.Equal(rt, start, l.FirstAt(parts.Time))
		inside := parts.Time.Add(time.Duration(rapid.Int64Range(1, int64(l.Unit)-1).Draw(rt, "inside")))
		parts.Time = inside
		back, err = l.Compose(parts)
		require.NoError(rt, err)
		require.Equal(rt, id, back, "rounded down")
		next := l.FirstAt(inside)
		if tick == 1<<l.TimeBits-1 {
			require.Equal(rt, ID(math.MaxInt64), next)
		} else {
			require.Equal(rt, start+1<<(l.NodeBits+l.SequenceBits), next, "rounded up")
		}
	})
}

// Layouts that last longer than 292 years, which a Duration cannot hold, or longer than any calendar.
func TestTimesBeyondADuration(t *testing.T) {
	long := Layout{Epoch: time.Unix(0, 0), Unit: 10 * time.Millisecond, TimeBits: 41, SequenceBits: 12}
	assert.Equal(t, "2666-11-04T13:55:55.52Z", long.Expires().Format(time.RFC3339Nano))
	at := time.Date(2600, 1, 1, 0, 0, 0, 10_000_000, time.UTC)
	id, err := long.Compose(Parts{Time: at, Sequence: 7})
	require.NoError(t, err)
	assert.Equal(t, Parts{Time: at, Sequence: 7}, long.Decode(id))
	assert.Equal(t, id-7, long.FirstAt(at))

	endless := Layout{Unit: time.Minute, TimeBits: 62, SequenceBits: 1}
	assert.Equal(t, farthest, endless.Expires())
	assert.Equal(t, farthest, endless.Decode(math.MaxInt64).Time)
	assert.Equal(t, int64(math.MaxInt64), farthest.Unix()+62135596800, "the last second of a time.Time")
	_, err = endless.Compose(Parts{Time: farthest})
	require.NoError(t, err)
	assert.Less(t, endless.FirstAt(farthest), ID(math.MaxInt64))

	short := Layout{TimeBits: 1, SequenceBits: 1, Unit: time.Microsecond}
	assert.Equal(t, short.filled().Epoch.Add(2*time.Microsecond), short.Expires())
	assert.Equal(t, ID(math.MaxInt64), short.FirstAt(farthest))
}

func TestFirstAtBoundsARange(t *testing.T) {
	l := Snowflake()
	assert.Zero(t, l.FirstAt(time.Time{}))
	assert.Zero(t, l.FirstAt(l.Epoch))
	assert.Equal(t, ID(1)<<22, l.FirstAt(l.Epoch.Add(1)))
	assert.Equal(t, ID(1)<<22, l.FirstAt(l.Epoch.Add(time.Millisecond)))
	assert.Equal(t, ID(1<<41-1)<<22, l.FirstAt(l.Expires().Add(-time.Millisecond)))
	assert.Equal(t, ID(math.MaxInt64), l.FirstAt(l.Expires().Add(-1)))
	assert.Equal(t, ID(math.MaxInt64), l.FirstAt(l.Expires()))
}
