package idgen

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scripted returns a generator and its wall clock, in a bubble that is an hour old.
func scripted(t *testing.T, cfg Config) (*Generator, *wallClock) {
	t.Helper()
	time.Sleep(time.Hour)
	wall := &wallClock{}
	g, err := NewWithWall(cfg, wall.now)
	require.NoError(t, err)
	time.Sleep(cfg.MaxAhead + ms)
	return g, wall
}

// increasing takes an id and checks that it is larger than the one before.
func increasing(t *testing.T, g *Generator, last *ID) {
	t.Helper()
	start := time.Now()
	id, err := g.Next(t.Context())
	require.NoError(t, err)
	require.Greater(t, id, *last)
	require.LessOrEqual(t, time.Since(start), ms, "no stall beyond a tick")
	*last = id
}

// The wall clock is stepped while the monotonic clock runs on. Up to MaxRollback nothing happens but Drift.
func TestWallStepsBackALittle(t *testing.T) {
	for _, back := range []time.Duration{time.Nanosecond, ms, time.Second, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			g, wall := scripted(t, Config{})
			var last ID
			increasing(t, g, &last)
			wall.step(-back)
			for range 40 {
				time.Sleep(100 * ms)
				increasing(t, g, &last)
			}
			s := g.Stats()
			assert.Equal(t, back, s.Drift)
			assert.Zero(t, s.Rollbacks)
			assert.Equal(t, time.Now().UTC(), g.Layout().Decode(last).Time, "its own clock runs on")
		})
	}
}

// Further back the generator refuses, without sleeping, until the wall has caught up to within MaxRollback, to the nanosecond.
func TestWallStepsBackTooFar(t *testing.T) {
	for _, back := range []time.Duration{10*time.Second + 1, time.Minute, 8 * time.Hour, 26 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			g, wall := scripted(t, Config{})
			var last ID
			increasing(t, g, &last)
			wall.step(-back)
			time.Sleep(time.Second)
			at := time.Now()
			for range 3 {
				_, err := g.TryNext()
				require.ErrorIs(t, err, ErrClockBackwards)
				require.ErrorContains(t, err, "by "+back.String())
				_, err = g.Next(t.Context())
				require.ErrorIs(t, err, ErrClockBackwards)
				_, err = g.NextN(t.Context(), make([]ID, 5000))
				require.ErrorIs(t, err, ErrClockBackwards)
			}
			assert.Zero(t, time.Since(at))
			assert.Equal(t, uint64(1), g.Stats().Rollbacks, "it began to refuse once")
			assert.Equal(t, back, g.Stats().Drift)

			wall.step(back - 10*time.Second - 1)
			_, err := g.TryNext()
			require.ErrorIs(t, err, ErrClockBackwards, "a nanosecond is missing")
			wall.step(1)
			increasing(t, g, &last)
			assert.Equal(t, 10*time.Second, g.Stats().Drift)

			wall.step(-1)
			time.Sleep(time.Second)
			_, err = g.TryNext()
			require.ErrorIs(t, err, ErrClockBackwards)
			assert.Equal(t, uint64(2), g.Stats().Rollbacks)
			wall.step(10*time.Second + 1)
			increasing(t, g, &last)
			assert.Zero(t, g.Stats().Drift)
		})
	}
}

// sony/sonyflake#39 sleeps the whole rollback under its mutex; twitter-archive/snowflake#6 resets the sequence before it looks.
func TestRegressionRollbackNeitherSleepsNorRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, wall := scripted(t, Config{Layout: tiny})
		seen := map[ID]bool{}
		for i := range 3000 {
			wall.step([]time.Duration{-ms, 3 * ms, -2 * ms, -9 * time.Second, 9 * time.Second, 0, 40 * ms, -40 * ms}[i%8])
			time.Sleep(time.Duration(i%1700) * time.Microsecond)
			id, err := g.TryNext()
			if errors.Is(err, ErrExhausted) {
				continue
			}
			require.NoError(t, err)
			require.False(t, seen[id])
			seen[id] = true
		}
		assert.Greater(t, len(seen), 2000)
	})
}

// The wall is ahead after a step, or after the machine slept while its monotonic clock stood.
func TestWallStepsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, wall := scripted(t, Config{})
		var last ID
		increasing(t, g, &last)
		wall.step(time.Hour)
		time.Sleep(time.Second - ms - 1) // scripted has slept 1ms since New
		increasing(t, g, &last)
		assert.Less(t, g.Layout().Decode(last).Time, wall.now().Add(-time.Hour+ms), "not noticed yet")
		time.Sleep(1)
		increasing(t, g, &last)
		assert.Equal(t, wall.now().UTC().Truncate(ms), g.Layout().Decode(last).Time, "it has jumped")
		assert.Zero(t, g.Stats().Drift)
		wall.step(-time.Hour)
		time.Sleep(time.Second)
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrClockBackwards, "and does not follow back")
	})
}

// A goroutine that is held up between its readings of the two clocks must not take the delay for a step of the wall: the
// clock would run ahead from then on, past what Guard covers, and the next look would refuse.
func TestDelayBetweenTheClocksIsNoStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		var delay time.Duration
		g, err := NewWithWall(Config{}, func() time.Time {
			time.Sleep(delay)
			return wallNow()
		})
		require.NoError(t, err)
		time.Sleep(time.Second)
		delay = time.Minute
		_, err = g.TryNext()
		require.NoError(t, err)
		delay = 0
		for range 3 {
			id, err := g.TryNext()
			require.NoError(t, err)
			assert.Equal(t, time.Now().UTC(), g.Layout().Decode(id).Time)
			assert.Zero(t, g.Stats().Drift)
			time.Sleep(time.Second)
		}
	})
}

func TestWallStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		g, err := NewWithWall(Config{}, frozenClock())
		require.NoError(t, err)
		var last ID
		for range 10 {
			time.Sleep(time.Second)
			increasing(t, g, &last)
		}
		assert.Equal(t, 10*time.Second, g.Stats().Drift)
		time.Sleep(time.Second)
		_, err = g.TryNext()
		require.ErrorIs(t, err, ErrClockBackwards)
	})
}

// The wall is looked at once per second of use.
func TestWallIsReadOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		reads := 0
		g, err := NewWithWall(Config{}, func() time.Time { reads++; return wallNow() })
		require.NoError(t, err)
		require.Equal(t, 1, reads)
		var last ID
		for range 100 {
			time.Sleep(50 * ms)
			increasing(t, g, &last)
		}
		assert.Equal(t, 6, reads)
	})
}

// A clock whose wall reads before the epoch has not lost its sign.
func TestWallBeforeTheEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, wall := scripted(t, Config{})
		wall.step(-200 * 365 * 24 * time.Hour)
		time.Sleep(time.Second)
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrClockBackwards)
		_, err = NewWithWall(Config{}, wall.now)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "Layout.Epoch")
	})
}

func TestSaturatingSub(t *testing.T) {
	assert.Equal(t, time.Duration(3), saturatingSub(5, 2))
	assert.Equal(t, time.Duration(-3), saturatingSub(2, 5))
	assert.Equal(t, time.Duration(7), saturatingSub(5, -2))
	assert.Equal(t, time.Duration(1<<63-1), saturatingSub(5, -1<<63))
}
