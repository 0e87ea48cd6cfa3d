package idgen

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naive is the generator as its manual says it: a tick and a sequence, a clock, and a wall clock.
type naive struct {
	l         Layout
	ahead     int64 // ticks
	tick, seq int64 // of the last id
	clock     time.Time
	seen      time.Time // when the wall was last looked at
	refusing  bool
}

// now advances the model's clock, which is compared with the wall once per second of use.
func (m *naive) look(now time.Time, offset time.Duration, allowed time.Duration) error {
	if m.refusing || now.Sub(m.seen) >= time.Second {
		wall := now.Add(offset)
		if wall.After(m.clock) {
			m.clock = wall
		}
		m.refusing = m.clock.Sub(wall) > allowed
		if m.refusing {
			return ErrClockBackwards
		}
		m.seen = now
	}
	return nil
}

// next is what the next id is, and whether it may be given.
func (m *naive) next() (tick, seq int64, err error) {
	now := int64(m.clock.Sub(m.l.Epoch) / m.l.Unit)
	if now >= 1<<m.l.TimeBits {
		return 0, 0, ErrExpired
	}
	tick, seq = m.tick, m.seq+1
	if seq == 1<<m.l.SequenceBits {
		tick, seq = tick+1, 0
	}
	if now > tick {
		tick, seq = now, 0
	}
	if tick > now+m.ahead {
		err = ErrExhausted
	}
	if tick >= 1<<m.l.TimeBits && err == nil || min(tick, now+m.ahead+1) >= 1<<m.l.TimeBits {
		err = ErrExpired
	}
	return tick, seq, err
}

// The generator equals the naive one under any sequence of calls, sleeps and steps of the wall clock, on layouts that are so
// small that every edge is near.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			time.Sleep(time.Hour)
			start := time.Now()
			l := Layout{
				Epoch: start.Add(-time.Duration(rapid.IntRange(0, 3000).Draw(rt, "age"))).UTC(), Unit: time.Microsecond,
				TimeBits: rapid.SampledFrom([]int{4, 5, 12, 40}).Draw(rt, "time"), NodeBits: rapid.IntRange(0, 2).Draw(rt, "node"),
				SequenceBits: rapid.IntRange(1, 3).Draw(rt, "seq"), NodeLow: rapid.Bool().Draw(rt, "low"),
			}
			if rapid.Bool().Draw(rt, "slow") {
				l.Unit = 100 * time.Millisecond
			}
			wall := &wallClock{}
			cfg := Config{
				Layout: l, MaxAhead: time.Duration(rapid.IntRange(0, 5).Draw(rt, "ahead")) * l.Unit * 2 / 3,
				Node: rapid.Int64Range(0, l.MaxNode()).Draw(rt, "number"), MaxRollback: time.Second,
			}
			g, err := NewWithWall(cfg, wall.now)
			require.NoError(rt, err)
			m := &naive{l: l, ahead: int64(cfg.MaxAhead / l.Unit), clock: start, seen: start}
			m.tick, m.seq = min(int64(start.Sub(l.Epoch)/l.Unit)+m.ahead, 1<<l.TimeBits-1), 1<<l.SequenceBits-1
			take := func(rt *rapid.T, id ID, tick, seq int64) {
				want, err := l.Compose(Parts{Time: l.at(uint64(tick)), Node: cfg.Node, Sequence: seq})
				require.NoError(rt, err)
				require.Equal(rt, want, id)
				m.tick, m.seq = tick, seq
			}
			rt.Repeat(map[string]func(*rapid.T){
				"TryNext": func(rt *rapid.T) {
					id, err := g.TryNext()
					if want := m.look(time.Now(), time.Duration(wall.offset.Load()), cfg.MaxRollback); want != nil {
						require.ErrorIs(rt, err, want)
						return
					}
					tick, seq, want := m.next()
					if want != nil {
						require.ErrorIs(rt, err, want)
						return
					}
					require.NoError(rt, err)
					take(rt, id, tick, seq)
				},
				"NextN": func(rt *rapid.T) {
					ids := make([]ID, rapid.IntRange(0, 20).Draw(rt, "n"))
					ctx, cancel := context.WithTimeout(context.Background(), 1)
					defer cancel()
					n, err := g.NextN(ctx, ids)
					if len(ids) == 0 {
						require.NoError(rt, err)
						return
					}
					if want := m.look(time.Now(), time.Duration(wall.offset.Load()), cfg.MaxRollback); want != nil {
						require.ErrorIs(rt, err, want)
						return
					}
					for _, id := range ids[:n] {
						tick, seq, want := m.next()
						require.NoError(rt, want)
						take(rt, id, tick, seq)
					}
					if n < len(ids) {
						_, _, want := m.next()
						require.ErrorIs(rt, err, want)
					} else {
						require.NoError(rt, err)
					}
				},
				"Stats": func(rt *rapid.T) {
					require.Equal(rt, l.at(uint64(m.tick)), g.Stats().Last)
				},
				"sleep": func(rt *rapid.T) {
					d := time.Duration(rapid.Int64Range(0, int64(3*l.Unit)).Draw(rt, "d"))
					time.Sleep(d)
					m.clock = m.clock.Add(d)
				},
				"step": func(rt *rapid.T) {
					wall.step(time.Duration(rapid.Int64Range(-int64(2*time.Second), int64(2*time.Second)).Draw(rt, "step")))
				},
			})
		})
	})
}
