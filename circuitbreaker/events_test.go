package circuitbreaker

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// The changes form a chain that begins with Closed, are delivered by one goroutine at a time and none is lost.
func TestChangesFormAChain(t *testing.T) {
	var at State
	var inside, seen atomic.Int64
	c := Config{ConsecutiveFailures: 2, OpenDuration: 1, NoJitter: true, ProbeTimeout: 1}
	c.OnStateChange = func(ch Change) {
		if inside.Add(1) != 1 {
			panic("two at once")
		}
		if ch.From != at || ch.From == ch.To {
			panic(fmt.Sprint("after ", at, " came ", ch))
		}
		at = ch.To
		seen.Add(1)
		runtime.Gosched()
		inside.Add(-1)
	}
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, c)
		hammer.Run(t, 8, 400, func(_ int, rng *rand.Rand) error {
			switch rng.IntN(12) {
			case 0:
				b.Trip(1)
			case 1:
				b.Reset()
			case 2:
				b.SetMode(Mode(rng.IntN(3)))
			case 3, 4:
				b.SetMode(ModeAuto)
			case 5:
				time.Sleep(1)
			case 6, 7, 8:
				do(b, 1, fail)
			default:
				do(b, 1, ok)
			}
			return nil
		})
		sleep(time.Second)
		require.Equal(t, b.State(), at)
		require.Greater(t, seen.Load(), int64(200))
	})
}

// While one goroutine delivers, another one that brings a change goes on; the change is told after the first returns.
func TestDeliveryDoesNotWait(t *testing.T) {
	var told []Reason
	release := (chan struct{})(nil)
	c := quick
	c.OnStateChange = func(ch Change) {
		if ch.Reason == ReasonTripped {
			<-release
		}
		told = append(told, ch.Reason)
	}
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		release = make(chan struct{})
		go b.Trip(time.Second)
		synctest.Wait() // the callback blocks
		b.Reset()
		sleep(time.Minute)
		do(b, 3, fail)
		assert.Empty(t, told)
		sleep(time.Second) // and a timer
		assert.Equal(t, HalfOpen, b.State())
		close(release)
		synctest.Wait()
		assert.Equal(t, []Reason{ReasonTripped, ReasonReset, ReasonConsecutive, ReasonOpenElapsed}, told)
	})
}

// C3: a callback that panics or exits reaches the goroutine that delivers; the later changes are still told.
func TestCallbackPanicsOrExits(t *testing.T) {
	for _, name := range []string{"panic", "Goexit"} {
		var told []Reason
		var b *Breaker
		c := quick
		c.OnStateChange = func(ch Change) {
			told = append(told, ch.Reason)
			if ch.Reason != ReasonConsecutive {
				return
			}
			b.Reset()
			b.Trip(time.Hour)
			if name == "panic" {
				panic("callback")
			}
			runtime.Goexit()
		}
		bubble(t, c, func(t *testing.T, breaker *Breaker, _ *log) {
			b = breaker
			do(b, 2, fail)
			returned := false
			panicked := exits(func() { do(b, 1, fail); returned = true })
			assert.False(t, returned)
			if name == "panic" {
				assert.Equal(t, "callback", panicked)
			}
			assert.Equal(t, []Reason{ReasonConsecutive, ReasonReset, ReasonTripped}, told)
			assert.EqualValues(t, 3, b.Stats().Total.Failures, "the call was counted once")
			told = nil
			b.Reset()
			assert.Equal(t, []Reason{ReasonReset}, told, "and delivery goes on")
		})
	}
}

// A change is delivered by the goroutine that made it, not by the next to come: else a callback that panics would take
// an admitted probe with it, and its slot.
func TestDeliveryIsClaimed(t *testing.T) {
	c := quick
	c.OnStateChange = func(ch Change) {
		if ch.Reason == ReasonOpenElapsed {
			panic("callback")
		}
	}
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		b.Trip(time.Hour)
		b.mu.Lock() // the timer, up to where it would deliver
		ep := b.cur.Load()
		b.goTo(b.newHalfOpen(ep), ReasonOpenElapsed, nil)
		require.True(t, b.events.claim())
		b.mu.Unlock()
		require.Nil(t, exits(func() { allow(t, b).Cancel() }))
		require.Zero(t, b.Stats().Probes)
		require.Equal(t, "callback", exits(b.deliver))
		require.Equal(t, 1, do(b, 1, ok))
		require.Equal(t, Closed, b.State())
	})
}

// Many callbacks that panic one after the other.
func TestManyCallbacksPanic(t *testing.T) {
	told := 0
	var b *Breaker
	c := quick
	c.OnStateChange = func(Change) {
		if told++; told == 1 {
			for range 50 {
				b.Reset()
				b.Trip(time.Hour)
			}
		}
		panic(told)
	}
	bubble(t, c, func(t *testing.T, breaker *Breaker, _ *log) {
		b = breaker
		assert.NotNil(t, exits(func() { b.Trip(time.Hour) }))
		assert.Equal(t, 101, told)
	})
}

// C5: dropped breakers, open or with a probe under way, hold no goroutine; and a timer that is of no use any more holds
// no memory.
func TestDroppedBreakers(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 1000 {
		b := mustNew(t, Config{OpenDuration: time.Minute})
		b.Trip(0)
		if i%2 == 0 {
			b.Reset()
		}
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		require.Nil(t, b.timer)
		b.Trip(time.Hour)
		timer := b.timer
		b.Reset()
		require.Nil(t, b.timer)
		require.False(t, timer.Stop(), "it has been stopped")
		b.Trip(time.Hour)
		timer = b.timer
		b.Trip(2 * time.Hour)
		require.False(t, timer.Stop())
		require.True(t, b.timer.Stop())
	})
}
