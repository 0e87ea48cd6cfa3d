package tokenbucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// grant is n tokens that were given at some instant between before and after.
type grant struct {
	before, after time.Duration
	n             int64
}

// worstExcess returns by how many tokens the grants exceed rate*T+burst in the worst of all windows. A window reaches from
// the start of a call to the latest end of the calls that started in it: it contains all of them for certain. With sum the
// tokens up to and including a grant, the excess of a window is a difference of two terms, one of its end and one of its
// start, so that the least term of a start is all that has to be remembered.
func worstExcess(grants []grant, perNano float64, burst int64) float64 {
	slices.SortFunc(grants, func(a, b grant) int { return cmp.Compare(a.before, b.before) })
	worst, least, sum, end := math.Inf(-1), math.Inf(1), int64(0), time.Duration(0)
	for _, g := range grants {
		least = min(least, float64(sum)-perNano*float64(g.before))
		sum += g.n
		end = max(end, g.after)
		worst = max(worst, float64(sum)-perNano*float64(end)-least-float64(burst))
	}
	return worst
}

func TestWorstExcess(t *testing.T) {
	assert.InDelta(t, 0, worstExcess([]grant{{0, 0, 5}, {10, 10, 1}}, 0.1, 5), 1e-9)
	assert.InDelta(t, 1, worstExcess([]grant{{0, 0, 5}, {9, 10, 1}, {9, 10, 1}}, 0.1, 5), 1e-9)
	assert.InDelta(t, 2, worstExcess([]grant{{100, 100, 7}, {0, 0, 5}}, 0.1, 5), 1e-9)
}

// A million calls of eight goroutines on the real clock: no window of the run, short or long, holds more than its burst and
// what the rate yields. golang/go#65508 and #71360 are about limiters that exceed the sum 5000-fold.
func TestBoundHoldsInEveryWindow(t *testing.T) {
	const workers, burst = 8, 100
	rounds := 125_000
	if testing.Short() {
		rounds /= 10
	}
	for i, rate := range []Rate{PerSecond(1e6), PerSecond(300_007)} {
		b := newBucket(t, rate, burst)
		rounds := rounds / (1 + 9*i) // the million, and a tenth at a rate that is rounded
		var grants [workers][]grant
		hammer.Run(t, workers, rounds, func(worker int, rng *rand.Rand) error {
			g := grant{before: b.elapsed()}
			if rng.IntN(2) == 0 {
				g.n = b.AllowUpTo(3)
			} else if b.AllowN(2) {
				g.n = 2
			}
			g.after = b.elapsed()
			if g.n > 0 {
				grants[worker] = append(grants[worker], g)
			}
			return nil
		})
		all := slices.Concat(grants[:]...)
		require.NotEmpty(t, all)
		perNano := float64(rate.Tokens) / float64(rate.Per)
		assert.LessOrEqual(t, worstExcess(all, perNano, burst), 0.01, "tokens too many, in %d grants at %v", len(all), rate)
	}
}

// Waiters and those who do not wait share the bound.
func TestBoundHoldsWithWaiters(t *testing.T) {
	const workers, burst = 8, 10
	rate := PerSecond(1e6)
	b := newBucket(t, rate, burst)
	var grants [workers][]grant
	hammer.Run(t, workers, 2000, func(worker int, rng *rand.Rand) error {
		g := grant{before: b.elapsed(), n: 1 + rng.Int64N(3)}
		if rng.IntN(2) == 0 {
			if err := b.WaitN(t.Context(), g.n); err != nil {
				return err
			}
		} else if !b.AllowN(g.n) {
			return nil
		}
		g.after = b.elapsed()
		grants[worker] = append(grants[worker], g)
		return nil
	})
	assert.LessOrEqual(t, worstExcess(slices.Concat(grants[:]...), float64(rate.Tokens)/float64(rate.Per), burst), 0.01)
}

// level returns a bucket with so many tokens in it; the litmus tests make many thousands.
func level(rate Rate, burst, tokens int64) *Bucket {
	b, err := New(Config{Rate: rate, Burst: burst})
	if err != nil || !b.AllowN(burst-tokens) {
		panic(err)
	}
	return b
}

func toInt(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// Two calls race for one token, a hundred thousand times: exactly one of them gets it.
func TestOneTokenIsTakenOnce(t *testing.T) {
	one := func() *Bucket { return level(Every(10*year), 1, 1) }
	takes := map[string]func(*Bucket) int{
		"AllowN":    func(b *Bucket) int { return toInt(b.Allow()) },
		"AllowUpTo": func(b *Bucket) int { return int(b.AllowUpTo(5)) },
		"Reserve":   func(b *Bucket) int { _, err := b.Reserve(1, 0); return toInt(err == nil) },
		"allowSlow": func(b *Bucket) int { return toInt(b.allowSlow(1)) },
	}
	for name, take := range takes {
		for other, second := range takes {
			seen := litmus.Run(2000, one, take, second)
			assert.Zero(t, seen[litmus.Outcome{A: 1, B: 1}], "%s and %s both took it", name, other)
			assert.Zero(t, seen[litmus.Outcome{A: 0, B: 0}], "neither %s nor %s took it", name, other)
		}
	}
}

// A refusal that wrote back what it had read would undo what another call took in between.
func TestRefusalWritesNothing(t *testing.T) {
	var buckets []*Bucket
	one := func() *Bucket {
		b := level(Every(time.Hour), 2, 1)
		buckets = append(buckets, b)
		return b
	}
	refused := func(b *Bucket) int { return toInt(b.AllowN(2)) }
	assert.Equal(t, map[litmus.Outcome]int{{A: 0, B: 1}: 20_000}, litmus.Run(20_000, one, refused,
		func(b *Bucket) int { return int(b.AllowUpTo(1)) }))
	for _, b := range buckets {
		before := b.limit.Load().level.Load()
		require.Zero(t, b.Tokens())
		require.False(t, b.Allow())
		require.Equal(t, before, b.limit.Load().level.Load())
	}
}

// SetLimit and a taker race: the token is taken once, whichever came first, and is not given out again by the new limit.
func TestSetLimitNeitherLosesNorMints(t *testing.T) {
	two := func() *Bucket { return level(Every(year), 2, 1) }
	seen := litmus.Run(20_000, two,
		func(b *Bucket) int { return toInt(b.Allow()) },
		func(b *Bucket) int {
			_ = b.SetLimit(PerHour(1), 3)
			return int(b.AllowUpTo(3))
		})
	for outcome, times := range seen {
		assert.Equal(t, 1, outcome.A+outcome.B, "%d times", times)
	}
}

// Return and a queue that forms race: the token that is given back reaches the waiter, at once.
func TestReturnReachesAQueueThatForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for range 5000 {
			b := newBucket(t, Every(10*year), 1)
			b.Allow()
			ended := make(chan error)
			go func() { ended <- b.Wait(t.Context()) }()
			b.Return(1)
			require.NoError(t, <-ended)
			require.Zero(t, b.Tokens())
		}
		assert.Zero(t, time.Since(start), "nobody had to wait for the refill")
	})
}

// Tokens go round as those of a semaphore do: a bucket that in ten years produces one, three tokens, eight workers. A
// wake-up that is lost stops the clock of the bubble until the refill, and a token that is minted shows as a fourth holder.
func TestHammerAsSemaphore(t *testing.T) {
	const permits = 3
	synctest.Test(t, func(t *testing.T) {
		b, start := newBucket(t, Every(year), permits), time.Now()
		var holders atomic.Int64
		hammer.Run(t, 8, 3000, func(_ int, rng *rand.Rand) error {
			n := 1 + rng.Int64N(permits)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if rng.IntN(3) == 0 {
				go cancel()
			}
			if err := b.WaitN(ctx, n); err != nil {
				return nil
			}
			if now := holders.Add(n); now > permits {
				return fmt.Errorf("%d holders", now)
			}
			holders.Add(-n)
			b.Return(n)
			return nil
		})
		assert.Zero(t, time.Since(start), "nobody had to wait for the refill")
		assert.Equal(t, int64(permits), b.Tokens())
		assert.Equal(t, line{}, b.line)
	})
}

// Every operation at once, at an instant that does not pass: what the workers hold and what is in the bucket stays the
// same number, however often the unit changes.
func TestHammerConservesTokens(t *testing.T) {
	const workers, tokens = 8, 1000
	limits := []Rate{PerSecond(1), PerSecond(7), PerSecond(13), PerHour(1000), {10, 1}}
	synctest.Test(t, func(t *testing.T) {
		b, start := newBucket(t, limits[0], tokens), time.Now()
		var held [workers]int64
		hammer.Run(t, workers, 4000, func(worker int, rng *rand.Rand) error {
			n, have := 1+rng.Int64N(300), &held[worker]
			switch rng.IntN(9) {
			case 0, 1:
				if b.AllowN(n) {
					*have += n
				}
			case 2:
				*have += b.AllowUpTo(n)
			case 3, 4:
				n = min(n, *have)
				b.Return(n)
				*have -= n
			case 5:
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				if b.WaitN(ctx, n) == nil {
					*have += n
				}
			case 6:
				if r, err := b.Reserve(n, forever); err == nil {
					b.Stats()
					r.Cancel()
				}
			case 7:
				return b.SetLimit(limits[rng.IntN(len(limits))], tokens+rng.Int64N(100))
			case 8:
				if s := b.Stats(); s.Tokens < 0 || s.Tokens > tokens {
					return fmt.Errorf("%+v", s)
				}
				b.RetryAfter(n)
			}
			return nil
		})
		require.Zero(t, time.Since(start))
		sum := b.Tokens()
		for _, h := range held {
			sum += h
		}
		assert.Equal(t, int64(tokens), sum)
		assert.Equal(t, line{}, b.line)
		assert.Nil(t, b.timer)
	})
}

// Grant and cancellation meet on the real clock: every wait ends with a token charged or without, and the sum is right.
func TestHammerGrantMeetsCancellation(t *testing.T) {
	const workers = 8
	rate := Every(20 * time.Microsecond)
	b := newBucket(t, rate, 1)
	var granted atomic.Int64
	hammer.Run(t, workers, 300, func(_ int, rng *rand.Rand) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		timer := time.AfterFunc(time.Duration(rng.IntN(320))*time.Microsecond, cancel)
		defer timer.Stop()
		err := b.Wait(ctx)
		if err == nil {
			granted.Add(1)
		} else if !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	assert.LessOrEqual(t, granted.Load(), 1+int64(b.elapsed()/rate.Per))
	assert.Positive(t, granted.Load())
	assert.Equal(t, line{}, b.line)
}
