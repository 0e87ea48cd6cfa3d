package idgen

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// tiny has two ids per ms and four nodes.
var tiny = Layout{TimeBits: 41, NodeBits: 2, SequenceBits: 1}

func newGen(tb testing.TB, cfg Config) *Generator {
	tb.Helper()
	g, err := New(cfg)
	require.NoError(tb, err)
	return g
}

// drain takes what TryNext gives and returns how much that was.
func drain(tb testing.TB, g *Generator) (n int) {
	tb.Helper()
	for {
		_, err := g.TryNext()
		if errors.Is(err, ErrExhausted) {
			return n
		}
		require.NoError(tb, err)
		n++
	}
}

// settled returns a generator behind its quarantine.
func settled(tb testing.TB, cfg Config) *Generator {
	tb.Helper()
	g := newGen(tb, cfg)
	time.Sleep(cfg.MaxAhead + g.layout.Unit)
	return g
}

func TestNewRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		lease, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{}, Guard: time.Second})
		require.NoError(t, err)
		defer lease.Close()
		second, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{registry: registry{Token: 9, Nodes: make([]reservation, 5)}}, Nodes: 6})
		require.NoError(t, err)
		defer second.Close()
		require.Equal(t, int64(5), second.Node())
		cases := []struct {
			name, field string
			cfg         Config
		}{
			{"node -1", "Node", Config{Node: -1}},
			{"node 1024", "Node", Config{Node: 1024}},
			{"node MinInt64", "Node", Config{Node: math.MinInt64}},
			{"node MaxInt64", "Node", Config{Node: math.MaxInt64}},
			{"node 1 of 1", "Node", Config{Node: 1, Layout: Layout{TimeBits: 41, SequenceBits: 12}}},
			{"ahead -1", "MaxAhead", Config{MaxAhead: -1}},
			{"ahead above 1h", "MaxAhead", Config{MaxAhead: time.Hour + 1}},
			{"ahead MaxInt64", "MaxAhead", Config{MaxAhead: math.MaxInt64}},
			{"rollback -1", "MaxRollback", Config{MaxRollback: -1}},
			{"rollback above 24h", "MaxRollback", Config{MaxRollback: 24*time.Hour + 1}},
			{"rollback MinInt64", "MaxRollback", Config{MaxRollback: math.MinInt64}},
			{"epoch in the future", "Layout.Epoch", Config{Layout: Layout{Epoch: time.Now().Add(1)}}},
			{"preset in a fresh bubble", "Layout.Epoch", Config{Layout: Twitter()}},
			{"zero lease", "Lease", Config{Lease: &Lease{}}},
			{"node beside a lease", "Node", Config{Lease: lease, Node: 1}},
			{"node of the lease does not fit", "Node", Config{Lease: second, Layout: tiny}},
			{"ahead above the guard", "MaxAhead", Config{Lease: lease, MaxAhead: time.Second + 1}},
		}
		for _, c := range badLayouts {
			cases = append(cases, struct {
				name, field string
				cfg         Config
			}{c.name, c.field, Config{Layout: c.layout}})
		}
		for _, c := range cases {
			g, err := New(c.cfg)
			require.ErrorIs(t, err, ErrConfig, c.name)
			assert.Nil(t, g)
			require.ErrorContains(t, err, "idgen: invalid config: "+c.field+" must be ", c.name)
			require.ErrorContains(t, err, ", got ", c.name)
		}
	})
}

func TestNewAcceptsTheEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{}, Guard: time.Second})
		require.NoError(t, err)
		defer lease.Close()
		for _, cfg := range []Config{
			{},
			{Node: 1023},
			{MaxAhead: time.Hour},
			{MaxRollback: 1},
			{MaxRollback: 24 * time.Hour},
			{Layout: Layout{Epoch: time.Now()}},
			{Lease: lease, MaxAhead: time.Second},
			{NotBefore: time.Now().Add(10 * time.Second)},
			{NotBefore: time.Unix(-1<<40, 0)},
			{NotBefore: time.Time{}.Add(-1)},
		} {
			_, err := New(cfg)
			require.NoError(t, err, "%+v", cfg)
		}
	})
}

func TestIDsAreComposedOfTheirParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, l := range presets {
			time.Sleep(max(0, time.Until(l.filled().Epoch)))
			g := newGen(t, Config{Node: 5, Layout: l})
			assert.Equal(t, l.filled(), g.Layout())
			time.Sleep(time.Hour)
			for seq := range int64(3) {
				id, err := g.Next(t.Context())
				require.NoError(t, err)
				p := l.Decode(id)
				assert.Equal(t, int64(5), p.Node, name)
				assert.Equal(t, seq, p.Sequence, name)
				assert.Less(t, time.Since(p.Time), l.filled().Unit, name)
				assert.GreaterOrEqual(t, time.Since(p.Time), time.Duration(0), name)
			}
		}
	})
}

// The first id is dated after the tick in which New ran, and after the ticks that a predecessor may have borrowed.
func TestFirstIDIsLaterThanNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newGen(t, Config{})
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrExhausted)
		id, err := g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, ms, time.Since(start), "one tick of waiting")
		assert.Equal(t, Parts{Time: start.Add(ms).UTC()}, g.Layout().Decode(id))

		start = time.Now()
		g = newGen(t, Config{MaxAhead: 50 * ms})
		require.Zero(t, drain(t, g))
		id, err = g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, ms, time.Since(start))
		assert.Equal(t, start.Add(51*ms).UTC(), g.Layout().Decode(id).Time, "the room is empty at first")
		assert.Equal(t, 4095, drain(t, g))
		time.Sleep(10 * ms)
		assert.Equal(t, 10*4096, drain(t, g))
		time.Sleep(200 * ms)
		assert.Equal(t, 51*4096, drain(t, g), "and has filled")

		lease, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{}})
		require.NoError(t, err)
		defer lease.Close()
		start = time.Now()
		g = newGen(t, Config{MaxAhead: 50 * ms, Lease: lease})
		assert.Equal(t, 50*4096, drain(t, g), "under a lease nobody was there before")
		assert.Equal(t, start.Add(50*ms).UTC(), g.Stats().Last)
	})
}

func TestTickIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGen(t, Config{Layout: tiny, Node: 3})
		time.Sleep(100*ms + 300*time.Microsecond)
		start := time.Now()
		assert.Equal(t, 2, drain(t, g))
		var ids []ID
		for range 5 {
			id, err := g.Next(t.Context())
			require.NoError(t, err)
			ids = append(ids, id)
		}
		assert.Equal(t, 2*ms+700*time.Microsecond, time.Since(start), "to the start of the tick, exactly")
		for i, id := range ids {
			p := tiny.Decode(id)
			assert.Equal(t, Parts{Time: start.Add(time.Duration(1+i/2)*ms - 300*time.Microsecond).UTC(), Node: 3, Sequence: int64(i % 2)}, p)
		}
		assert.Equal(t, uint64(3), g.Stats().Waits)
	})
}

func TestMaxAheadBorrowsABoundedFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny, MaxAhead: 2*ms + ms/2})
		time.Sleep(ms)
		start := time.Now()
		assert.Equal(t, 6, drain(t, g), "this tick and two more: MaxAhead is rounded down")
		assert.Equal(t, 2*ms-ms/2, g.Stats().Ahead, "half of this tick is over")
		_, err := g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, ms/2, time.Since(start), "until the third tick may be borrowed")
		assert.Equal(t, 2*ms, g.Stats().Ahead, "dated two ticks after the one that began")
	})
}

func TestNextNCrossesTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny, MaxAhead: 3 * ms})
		start := time.Now()
		ids := make([]ID, 8)
		n, err := g.NextN(t.Context(), ids)
		require.NoError(t, err)
		require.Equal(t, 8, n)
		assert.Zero(t, time.Since(start), "one step")
		more := make([]ID, 5)
		n, err = g.NextN(t.Context(), more)
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		assert.Equal(t, 3*ms, time.Since(start))
		assert.Equal(t, uint64(1), g.Stats().Waits, "a call is counted once")
		last := ID(0)
		for i, id := range slices.Concat(ids, more) {
			require.Greater(t, id, last)
			last = id
			p := tiny.Decode(id)
			assert.Equal(t, int64(i%2), p.Sequence)
			assert.Equal(t, start.Add(time.Duration(i/2)*ms).UTC(), p.Time)
		}
	})
}

func TestNextNKeepsWhatItHasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny})
		ctx, cancel := context.WithTimeout(t.Context(), 2*ms+1)
		defer cancel()
		ids := make([]ID, 20)
		n, err := g.NextN(ctx, ids)
		require.ErrorIs(t, err, ErrExhausted)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 6, n, "three ticks lie before the deadline")
		assert.Zero(t, ids[n])
		for i := range ids[1:n] {
			assert.Greater(t, ids[i+1], ids[i])
		}
		id, err := g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, tiny.Decode(ids[n-1]).Time.Add(ms), tiny.Decode(id).Time, "none is lost beyond them")
		assert.Zero(t, tiny.Decode(id).Sequence)
	})
}

func TestNextNOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGen(t, Config{})
		before := g.last.Load()
		n, err := g.NextN(t.Context(), nil)
		require.NoError(t, err)
		assert.Zero(t, n)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = g.NextN(ctx, nil)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, before, g.last.Load())
	})
}

func TestDoneContextTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{})
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		before := g.last.Load()
		_, err := g.Next(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		n, err := g.NextN(ctx, make([]ID, 3))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		assert.Zero(t, n)
		for id, err := range g.All(ctx) {
			assert.Zero(t, id)
			require.ErrorIs(t, err, cause)
		}
		assert.Equal(t, before, g.last.Load())
		assert.Zero(t, g.Stats().Waits)
	})
}

func TestHopelessDeadlineIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny})
		for _, left := range []time.Duration{1, ms - 1, ms} {
			drain(t, g)
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), left)
			_, err := g.Next(ctx)
			cancel()
			require.ErrorIs(t, err, ErrExhausted)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "1ms to the next free tick")
			assert.Zero(t, time.Since(start))
		}
		assert.Zero(t, g.Stats().Waits, "nobody has waited")
		ctx, cancel := context.WithTimeout(t.Context(), ms+1)
		defer cancel()
		_, err := g.Next(ctx)
		require.NoError(t, err)
	})
}

func TestCancelledWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny})
		drain(t, g)
		start := time.Now()
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { _, err := g.Next(ctx); ended <- err }()
		synctest.Wait()
		cancel(cause)
		err := <-ended
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		assert.Zero(t, time.Since(start))
		time.Sleep(ms)
		assert.Equal(t, 2, drain(t, g), "nothing was reserved")
	})
}

// Ten thousand waiters are cancelled; the next tick is whole.
func TestCancelStormLeavesTheTickWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{})
		drain(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		var cancelled atomic.Int64
		for range 10_000 {
			go func() {
				if _, err := g.Next(ctx); errors.Is(err, context.Canceled) {
					cancelled.Add(1)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		assert.Equal(t, int64(10_000), cancelled.Load())
		assert.Equal(t, uint64(10_000), g.Stats().Waits)
		time.Sleep(ms)
		assert.Equal(t, 4096, drain(t, g))
	})
}

// Of W waiters each tick admits as many as it has room for.
func TestWaitersAreAdmittedTickByTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny})
		drain(t, g)
		var served atomic.Int64
		for range 20 {
			go func() {
				if _, err := g.Next(t.Context()); err == nil {
					served.Add(1)
				}
			}()
		}
		for tick := range int64(10) {
			synctest.Wait()
			assert.Equal(t, 2*tick, served.Load())
			time.Sleep(ms)
		}
		synctest.Wait()
		assert.Equal(t, int64(20), served.Load())
	})
}

func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := settled(t, Config{Layout: tiny})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		all := g.All(ctx)
		var ids []ID
		for id, err := range all {
			require.NoError(t, err)
			ids = append(ids, id)
			if len(ids) == 3 {
				break
			}
		}
		last := g.last.Load()
		n := 0
		for id, err := range all {
			if err != nil {
				assert.Zero(t, id)
				require.ErrorIs(t, err, context.Canceled)
				break
			}
			n++
			require.Greater(t, id, ids[len(ids)-1], "the body may take ids itself")
			own, err := g.TryNext()
			if err == nil {
				require.Greater(t, own, id)
			}
			if n == 2 {
				cancel()
			}
		}
		assert.Equal(t, 2, n)
		assert.Greater(t, g.last.Load(), last)
		after := g.last.Load()
		for range all {
			break
		}
		assert.Equal(t, after, g.last.Load())
	})
}

// The last tick is used fully; then, and in New, the layout has expired.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Layout{Epoch: time.Now(), TimeBits: 4, SequenceBits: 2}
		g := newGen(t, Config{Layout: l, MaxAhead: time.Hour})
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrExpired, "without a lease a predecessor may have used all of it")
		g = newGen(t, Config{Layout: l, MaxAhead: 2 * ms})
		assert.Zero(t, drain(t, g))
		last := ID(0)
		for range 52 { // of 64, less three ticks of quarantine
			id, err := g.Next(t.Context())
			require.NoError(t, err)
			require.Greater(t, id, last)
			last = id
		}
		assert.Equal(t, ID(63), last)
		assert.Equal(t, 13*ms, time.Since(l.Epoch), "borrowed")
		for _, wait := range []time.Duration{0, ms, ms, time.Hour} {
			time.Sleep(wait)
			_, err := g.TryNext()
			require.ErrorIs(t, err, ErrExpired)
			_, err = g.Next(t.Context())
			require.ErrorIs(t, err, ErrExpired)
			n, err := g.NextN(t.Context(), make([]ID, 3))
			require.ErrorIs(t, err, ErrExpired)
			assert.Zero(t, n)
		}
		_, err = New(Config{Layout: l})
		require.ErrorIs(t, err, ErrExpired)
	})
}

// The position of a far tick and a long sequence does not fit a word; such a tick has expired before it is formed.
func TestExpiryOfManyTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		_, err := New(Config{Layout: Layout{Unit: time.Microsecond, TimeBits: 20, SequenceBits: 24}})
		require.ErrorIs(t, err, ErrExpired)
		g := newGen(t, Config{Layout: Layout{Epoch: time.Now(), Unit: time.Microsecond, TimeBits: 20, SequenceBits: 24}})
		time.Sleep(27 * 365 * 24 * time.Hour)
		_, err = g.TryNext()
		require.ErrorIs(t, err, ErrExpired)
	})
}

func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		_, err := New(Config{NotBefore: start.Add(10*time.Second + 1)})
		require.ErrorIs(t, err, ErrClockBackwards)
		require.ErrorContains(t, err, "by 10.000000001s")
		g := newGen(t, Config{NotBefore: start.Add(10 * time.Second)})
		id, err := g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, start.Add(10*time.Second+ms), g.Layout().Decode(id).Time)
		assert.Equal(t, ms, time.Since(start.Local()), "no wait beyond a tick")
		g = newGen(t, Config{NotBefore: start.Add(-time.Hour)})
		id, err = g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, start.Add(2*ms), g.Layout().Decode(id).Time, "the past has no effect")
		g = newGen(t, Config{NotBefore: start.Add(10*ms + 300)})
		id, err = g.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, start.Add(11*ms), g.Layout().Decode(id).Time, "a later tick")
	})
}

// Stats().Last survives a restart on a clock that went back.
func TestNotBeforeContinuesAPredecessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		wall := &wallClock{}
		g, err := NewWithWall(Config{Layout: tiny, MaxAhead: 5 * ms}, wall.now)
		require.NoError(t, err)
		var last ID
		for round := range 50 {
			for range 7 {
				id, err := g.Next(t.Context())
				require.NoError(t, err)
				require.Greater(t, id, last, "round %d", round)
				last = id
			}
			require.False(t, tiny.Decode(last).Time.After(g.Stats().Last))
			wall.step(-20 * ms)
			g, err = NewWithWall(Config{Layout: tiny, MaxAhead: 5 * ms, NotBefore: g.Stats().Last}, wall.now)
			require.NoError(t, err)
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		g := newGen(t, Config{Node: 7, MaxAhead: 4 * ms, Layout: Layout{TimeBits: 41, NodeBits: 3, SequenceBits: 1}})
		assert.Equal(t, Stats{Node: 7, Last: start.Add(4 * ms), Ahead: 4 * ms}, g.Stats(), "the ticks of a predecessor")
		time.Sleep(10*ms + 1)
		assert.Equal(t, Stats{Node: 7, Last: start.Add(4 * ms)}, g.Stats())
		_, err := g.TryNext()
		require.NoError(t, err)
		assert.Equal(t, Stats{Node: 7, Last: start.Add(10 * ms)}, g.Stats())
		assert.Equal(t, 9, drain(t, g))
		assert.Equal(t, Stats{Node: 7, Last: start.Add(14 * ms), Ahead: 4*ms - 1}, g.Stats())
	})
}

func TestNilAndZeroPanic(t *testing.T) {
	zero := &Generator{}
	var absent *Generator
	for name, call := range map[string]func(g *Generator){
		"Next":    func(g *Generator) { _, _ = g.Next(t.Context()) },
		"TryNext": func(g *Generator) { _, _ = g.TryNext() },
		"NextN":   func(g *Generator) { _, _ = g.NextN(t.Context(), make([]ID, 1)) },
		"empty":   func(g *Generator) { _, _ = g.NextN(t.Context(), nil) },
		"All":     func(g *Generator) { g.All(t.Context()) },
		"Layout":  func(g *Generator) { g.Layout() },
		"Stats":   func(g *Generator) { g.Stats() },
	} {
		assert.PanicsWithValue(t, "idgen: Generator not made by New", func() { call(zero) }, name)
		assert.Panics(t, func() { call(absent) }, name)
	}
	for name, call := range map[string]func(l *Lease){
		"Node": func(l *Lease) { l.Node() }, "Token": func(l *Lease) { l.Token() },
		"Err": func(l *Lease) { _ = l.Err() }, "Close": func(l *Lease) { _ = l.Close() },
	} {
		assert.Panics(t, func() { call(nil) }, name)
	}
	var lease Lease
	require.ErrorIs(t, lease.Err(), ErrLeaseLost)
	require.NoError(t, lease.Close())
	assert.Zero(t, lease.Node())
	assert.Zero(t, lease.Token())
}

// A generator may cross into a bubble, where the clock stands 26 years back: it refuses. One that leaves a bubble goes on.
func TestUsedAcrossBubbles(t *testing.T) {
	outside := newGen(t, Config{})
	var inside *Generator
	synctest.Test(t, func(t *testing.T) {
		_, err := outside.Next(t.Context())
		require.ErrorIs(t, err, ErrClockBackwards)
		inside = newGen(t, Config{})
	})
	id, err := inside.Next(t.Context())
	require.NoError(t, err)
	assert.Less(t, time.Since(inside.Layout().Decode(id).Time), time.Hour)
	_, err = outside.Next(t.Context())
	require.NoError(t, err)
}
