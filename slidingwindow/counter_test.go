package slidingwindow

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const year = 365 * 24 * time.Hour

// second is a window of ten buckets of 100 ms.
var second = CounterConfig{Window: time.Second}

// sums collects what All yields.
func sums(c *Counter) (starts []time.Time, ns []int64) {
	for start, n := range c.All() {
		starts, ns = append(starts, start), append(ns, n)
	}
	return starts, ns
}

func TestEventAtTheStartIsGoneAtExactlyTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []CounterConfig{{Window: time.Second}, {Window: time.Second, Buckets: 1}, {Window: 7, Buckets: 7}, {Window: 1, Buckets: 1}, {Window: 100 * year, Buckets: 2}} {
			counter := newCounter(t, c)
			counter.Add(3)
			assert.Equal(t, int64(3), counter.Sum())
			time.Sleep(c.Window - 1)
			assert.Equal(t, int64(3), counter.Sum(), "%v: one nanosecond before", c)
			time.Sleep(1)
			assert.Zero(t, counter.Sum(), "%v: at the window", c)
		}
	})
}

// An event of age Window-g or less is counted, one of age Window or more is not, in between its bucket decides; at every
// nanosecond of a window of 12 in 4 buckets.
func TestEveryAgeInEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for phase := range time.Duration(6) {
			counter := newCounter(t, CounterConfig{Window: 12, Buckets: 4})
			time.Sleep(phase)
			counter.Add(1)
			added := phase / 3
			for age := range time.Duration(15) {
				in := (phase+age)/3 < added+4
				assert.Equal(t, in, counter.Sum() == 1, "added at %d, age %d", phase, age)
				assert.True(t, age > 9 || in, "an age of at most Window-g is counted")
				assert.True(t, age < 12 || !in, "an age of Window is not")
				time.Sleep(1)
			}
		}
	})
}

// A gap of one window must not bring the old counts back: asecurityteam/rolling#13, resilience4j#1034 #2334 #2379 (also
// with one bucket), zeromicro/go-zero#340 #345, go-kratos/aegis#24, rubyist/circuitbreaker#36, knative/serving#6425,
// prep/average#1.
func TestRegressionGapOfWholeWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, buckets := range []int{1, 2, 10} {
			for _, windows := range []int{1, 2, 3, 10, 1000, 1_000_003} {
				for _, read := range []bool{false, true} {
					counter := newCounter(t, CounterConfig{Window: time.Second, Buckets: buckets})
					counter.Add(5)
					time.Sleep(time.Duration(windows) * time.Second)
					if read {
						assert.Zero(t, counter.Sum(), "%d buckets, %d windows", buckets, windows)
					}
					counter.Add(1)
					assert.Equal(t, int64(1), counter.Sum(), "%d buckets, %d windows", buckets, windows)
				}
			}
		}
	})
}

// The same gaps between events, bucket by bucket: what a ring offset cannot tell apart.
func TestGapsOfEveryLengthAgainstTheDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for gap := time.Duration(1); gap <= 40; gap++ {
			counter := newCounter(t, CounterConfig{Window: 12, Buckets: 4})
			var added []time.Duration
			for at := time.Duration(0); at < 200; at += gap {
				counter.Add(1)
				added = append(added, at)
				want := 0
				for _, a := range added {
					if at/3-a/3 < 4 {
						want++
					}
				}
				require.Equal(t, int64(want), counter.Sum(), "gap %d at %d", gap, at)
				time.Sleep(gap)
			}
		}
	})
}

func TestIdleForTwoCenturies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter, top := newCounter(t, second), newTopK[int](t, TopKConfig{Window: time.Second})
		counter.Add(7)
		top.Add(1, 7)
		time.Sleep(200 * year)
		assert.Zero(t, counter.Sum())
		assert.Zero(t, counter.Rate())
		assert.Zero(t, top.Total())
		counter.Add(2)
		top.Add(1, 2)
		assert.Equal(t, int64(2), counter.Sum())
		assert.Equal(t, int64(2), top.Total())
	})
}

// After 292 years the clock of a window stands still.
func TestEndOfTheClock(t *testing.T) {
	counter, top := newCounter(t, CounterConfig{Window: 10}), newTopK[int](t, TopKConfig{Window: 10})
	counter.ring.base = time.Now().Round(0).AddDate(-400, 0, 0)
	top.base = counter.ring.base
	for range 3 {
		counter.Add(1)
		top.Add(1, 1)
	}
	assert.Equal(t, int64(3), counter.Sum())
	assert.Equal(t, int64(3), top.Total())
	starts, ns := sums(counter)
	assert.Equal(t, []int64{0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, ns)
	assert.True(t, slices.IsSortedFunc(starts, time.Time.Compare))
	assert.InEpsilon(t, 3/9e-9, counter.Rate(), 1e-9, "nine buckets, and nothing of the present one")
}

// Reads expire without an Add: the window of failsafe-go does not, and ratecounter's sticks when its goroutine stops.
func TestRegressionReadsExpireByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		for range 10 {
			counter.Add(1)
			time.Sleep(100 * time.Millisecond)
		}
		for left := int64(9); left >= 0; left-- {
			assert.Equal(t, left, counter.Sum())
			_, ns := sums(counter)
			var total int64
			for _, n := range ns {
				total += n
			}
			assert.Equal(t, left, total)
			time.Sleep(100 * time.Millisecond)
		}
		assert.Zero(t, counter.Rate())
	})
}

// A Counter that was made outside of the bubble reads a clock 26 years before its start: time stands still for it.
func TestMadeOutsideOfTheBubble(t *testing.T) {
	counter, top := newCounter(t, second), newTopK[string](t, TopKConfig{Window: time.Second})
	synctest.Test(t, func(t *testing.T) {
		require.Negative(t, time.Since(counter.ring.base))
		for range 3 {
			counter.Add(1)
			top.Add("a", 1)
			time.Sleep(time.Hour)
		}
		assert.Equal(t, int64(3), counter.Sum())
		assert.Equal(t, int64(3), top.Total())
		assert.InDelta(t, 30, counter.Rate(), 0, "the floor of one bucket")
		counter.Reset()
		assert.Zero(t, counter.Sum())
		assert.Zero(t, counter.Rate())
	})
}

// stepBack makes the clock of c read d less than before.
func stepBack(c *Counter, d time.Duration) { c.ring.base = c.ring.base.Add(d) }

// A reading of the clock that is older than another goroutine's does not move the window back, and loses nothing.
func TestOlderReadingOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		time.Sleep(time.Hour)
		counter.Add(1)
		for _, back := range []time.Duration{time.Nanosecond, time.Millisecond, 950 * time.Millisecond, time.Second, time.Minute, 30 * time.Minute} {
			before := counter.Sum()
			stepBack(counter, back)
			counter.Add(10)
			assert.Equal(t, before+10, counter.Sum(), "%v back", back)
			assert.GreaterOrEqual(t, counter.Rate(), float64(before+10))
			stepBack(counter, -back)
			assert.Equal(t, before+10, counter.Sum(), "%v back and forth", back)
		}
		late := counter.Stats().Late
		stepBack(counter, time.Minute)
		counter.AddAt(time.Now().Add(-time.Second), 100)
		assert.Equal(t, late+1, counter.Stats().Late)
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		assert.Zero(t, counter.Rate())
		counter.Add(1)
		assert.InDelta(t, 10, counter.Rate(), 0, "covers one bucket at least")
		time.Sleep(time.Microsecond)
		assert.InDelta(t, 10, counter.Rate(), 0)
		counter.Reset()
		for i := range 100 { // 100 a second from the start
			counter.Add(10)
			time.Sleep(100 * time.Millisecond)
			if i < 9 {
				assert.InDelta(t, 100, counter.Rate(), 0, "warm-up, after %d", i+1)
			} else {
				// the bucket of now began a microsecond ago: nine full ones and that
				assert.InDelta(t, 90/0.900001, counter.Rate(), 1e-9, "after %d", i+1)
			}
		}
		time.Sleep(50 * time.Millisecond)
		assert.InDelta(t, 90/0.950001, counter.Rate(), 1e-9, "nothing came in the last half bucket")
	})
}

// Each second of a steady stream reads the same, at every phase of a bucket.
func TestRateCountsFromNewAndFromReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		counter.Add(30)
		time.Sleep(300 * time.Millisecond)
		assert.InDelta(t, 100, counter.Rate(), 0)
		counter.Reset()
		assert.Zero(t, counter.Rate())
		counter.Add(30)
		time.Sleep(150 * time.Millisecond)
		assert.InDelta(t, 200, counter.Rate(), 1e-9)
		time.Sleep(100 * year)
		assert.Zero(t, counter.Rate())
		counter.Add(95)
		time.Sleep(100 * time.Millisecond)
		assert.InDelta(t, 100, counter.Rate(), 1e-9, "nine empty buckets and half of the present one")
	})
}

func TestRateInEventTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, CounterConfig{Window: time.Second, EventTime: true})
		assert.Zero(t, counter.Rate())
		epoch := time.Unix(1000, 0)
		counter.AddAt(epoch.Add(40*time.Millisecond), 10)
		assert.InDelta(t, 100, counter.Rate(), 0, "one bucket at least")
		counter.AddAt(epoch.Add(300*time.Millisecond), 20)
		assert.InDelta(t, 100, counter.Rate(), 1e-9, "since the start of the first bucket")
		counter.AddAt(epoch.Add(400*time.Millisecond), 10)
		counter.AddAt(epoch.Add(350*time.Millisecond), 10)
		assert.InDelta(t, 125, counter.Rate(), 1e-9, "an older event does not move now")
		time.Sleep(time.Hour)
		assert.InDelta(t, 125, counter.Rate(), 1e-9, "nor does the clock")
		counter.AddAt(epoch.Add(5050*time.Millisecond), 95)
		assert.InDelta(t, 100, counter.Rate(), 1e-9)
		counter.AddAt(epoch.Add(5090*time.Millisecond), 4)
		assert.InDelta(t, 100, counter.Rate(), 1e-9, "within a bucket now moves as well")
	})
}

func TestAllYieldsEveryBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		base := time.Now()
		time.Sleep(350 * time.Millisecond)
		counter.Add(1)
		time.Sleep(200 * time.Millisecond)
		counter.Add(2)
		for range 2 {
			starts, ns := sums(counter)
			require.Len(t, starts, 10)
			for i, start := range starts {
				assert.True(t, start.Equal(base.Add(time.Duration(i-4)*100*time.Millisecond)), "bucket %d starts at %v", i, start)
			}
			assert.Equal(t, []int64{0, 0, 0, 0, 0, 0, 0, 1, 0, 2}, ns)
		}
		all := counter.All()
		count := 0
		for range all {
			counter.Add(1) // the body may call the Counter
			if count++; count == 3 {
				break
			}
		}
		assert.Equal(t, int64(6), counter.Sum())
		var later []int64
		for _, n := range all { // the clock is read when the loop starts
			if later = append(later, n); len(later) == 1 {
				time.Sleep(time.Hour + 800*time.Millisecond)
				counter.Add(9)
			}
		}
		assert.Equal(t, []int64{0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, later, "the place of one has been reused")
		_, ns := sums(counter)
		assert.Equal(t, int64(9), ns[9])
	})
}

func TestAllInEventTime(t *testing.T) {
	utc := func(ns int64) time.Time { return time.Unix(0, ns) }
	for _, tt := range []struct {
		name  string
		at    int64
		width int64
		last  time.Time
	}{
		{"modern", 1_700_000_000_250_000_000, 1e8, utc(1_700_000_000_200_000_000)},
		{"before 1970", -250, 100, utc(-300)},
		{"on the boundary before 1970", -300, 100, utc(-300)},
		{"at 1970", 0, 100, utc(0)},
		{"first instant", math.MinInt64, 10, utc(math.MinInt64).Add(-2)},
		{"last instant", math.MaxInt64, 10, utc(math.MaxInt64).Add(-7)},
	} {
		counter := newCounter(t, CounterConfig{Window: time.Duration(4 * tt.width), Buckets: 4, EventTime: true, MaxAhead: math.MaxInt64})
		starts, _ := sums(counter)
		assert.Empty(t, starts, "before the first event")
		counter.AddAt(utc(tt.at), 5)
		starts, ns := sums(counter)
		require.Len(t, starts, 4, tt.name)
		for i, start := range starts {
			want := tt.last.Add(-time.Duration(int64(3-i) * tt.width))
			assert.True(t, start.Equal(want), "%s: %v, want %v", tt.name, start, want)
		}
		assert.Equal(t, []int64{0, 0, 0, 5}, ns, tt.name)
		assert.Equal(t, int64(5), counter.Sum(), tt.name)
		assert.InDelta(t, 5/(float64(tt.width)/1e9), counter.Rate(), 1e-3, tt.name)
		counter.AddAt(utc(math.MaxInt64), 0)
		counter.Reset()
		starts, _ = sums(counter)
		assert.Empty(t, starts, "after Reset")
	}
}

// Clock mode: t after now counts as now, t in the window in its own bucket, also before New, and older is late.
func TestAddAtWithTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		now := time.Now()
		counter.AddAt(now.Add(time.Hour), 1)
		counter.AddAt(now.Add(math.MaxInt64), 2)
		counter.AddAt(now, 4)
		counter.AddAt(now.Add(-900*time.Millisecond), 8) // the oldest bucket, before New
		counter.AddAt(now.Add(-900*time.Millisecond-1), 16)
		counter.AddAt(now.Add(-time.Hour), 16)
		counter.AddAt(time.Time{}, 16)
		counter.AddAt(now.AddDate(-1000, 0, 0), 16)
		counter.AddAt(now.AddDate(1000, 0, 0), 32)
		counter.AddAt(now.Round(0).Add(-time.Nanosecond), 64) // no monotonic clock in it
		_, ns := sums(counter)
		assert.Equal(t, []int64{8, 0, 0, 0, 0, 0, 0, 0, 64, 39}, ns)
		assert.Equal(t, Stats{Late: 4}, counter.Stats())
		time.Sleep(100*time.Millisecond - 1)
		assert.Equal(t, int64(111), counter.Sum())
		time.Sleep(1)
		assert.Equal(t, int64(103), counter.Sum(), "the oldest has gone")
	})
}

// In a window that nobody has added to for long, what decides is the clock, not the last Add.
func TestAddAtAfterAnIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		counter.Add(1)
		start := time.Now()
		time.Sleep(900 * time.Millisecond)
		counter.AddAt(start, 1)
		assert.Equal(t, int64(2), counter.Sum(), "the newest bucket in use is the oldest of the window")
		time.Sleep(100 * time.Millisecond)
		counter.AddAt(start, 1)
		assert.Equal(t, Stats{Late: 1}, counter.Stats(), "now it has expired")
		assert.Zero(t, counter.Sum())
		counter.AddAt(start.Add(500*time.Millisecond), 5) // newer than the newest in use, older than now
		counter.AddAt(start.Add(300*time.Millisecond), 3)
		assert.Equal(t, int64(8), counter.Sum())
		time.Sleep(300 * time.Millisecond)
		assert.Equal(t, int64(5), counter.Sum())
	})
}

func TestEventTimeFollowsTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, CounterConfig{Window: time.Second, EventTime: true})
		assert.Zero(t, counter.Sum())
		epoch := time.Unix(1000, 0)
		at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
		counter.AddAt(at(50), 1) // 30 years old: the first may be
		time.Sleep(time.Hour)
		assert.Equal(t, int64(1), counter.Sum(), "the clock does not matter")
		counter.AddAt(at(999), 2)
		counter.AddAt(at(0), 4) // any order
		assert.Equal(t, int64(7), counter.Sum())
		counter.AddAt(at(1000), 8)
		assert.Equal(t, int64(10), counter.Sum(), "the bucket of 0 has left")
		counter.AddAt(at(99), 16)
		assert.Equal(t, Stats{Late: 1}, counter.Stats())
		counter.AddAt(at(100), 32)
		assert.Equal(t, int64(42), counter.Sum(), "the oldest bucket is open")
		counter.Add(64)
		assert.Equal(t, int64(64), counter.Sum(), "Add is AddAt now")
		counter.Reset()
		assert.Zero(t, counter.Sum())
		counter.AddAt(at(0), 128)
		assert.Equal(t, int64(128), counter.Sum(), "a fresh start, as old as it likes")
		assert.Equal(t, Stats{Late: 1}, counter.Stats(), "Stats go on")
	})
}

// One late event must not touch the window; in asecurityteam/rolling it wipes it.
func TestRegressionLateEventWipesNothing(t *testing.T) {
	counter := newCounter(t, CounterConfig{Window: time.Second, EventTime: true})
	epoch := time.Unix(1000, 0)
	for i := range 10 {
		counter.AddAt(epoch.Add(time.Duration(i)*100*time.Millisecond), 1)
	}
	for _, age := range []time.Duration{1, time.Second, time.Hour, 10 * year} {
		counter.AddAt(epoch.Add(-age), 100)
	}
	assert.Equal(t, int64(10), counter.Sum())
	assert.Equal(t, Stats{Late: 4}, counter.Stats())
}

// One event from the future must not empty the window.
func TestMaxAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ahead := range []time.Duration{0, time.Hour} {
			counter := newCounter(t, CounterConfig{Window: time.Second, EventTime: true, MaxAhead: ahead})
			limit := time.Minute
			if ahead > 0 {
				limit = ahead
			}
			counter.AddAt(time.Now().Add(limit+1), 1)
			assert.Equal(t, Stats{Early: 1}, counter.Stats(), "also as the first event")
			starts, _ := sums(counter)
			assert.Empty(t, starts)
			counter.Add(2)
			counter.AddAt(time.Now().Add(limit+1), 4)
			counter.AddAt(time.Now().AddDate(500, 0, 0), 4)
			counter.AddAt(time.Unix(0, math.MaxInt64), 4)
			assert.Equal(t, int64(2), counter.Sum(), "nothing has moved")
			assert.Equal(t, Stats{Early: 4}, counter.Stats())
			counter.AddAt(time.Now().Add(limit), 8)
			assert.Equal(t, int64(8), counter.Sum(), "exactly the limit is accepted")
			counter.AddAt(time.Now().Add(limit+1), 16)
			assert.Equal(t, int64(24), counter.Sum(), "it does not move the window")
			assert.Equal(t, Stats{Early: 4}, counter.Stats())
		}
	})
}

// Years that nanoseconds since 1970 cannot say.
func TestTimesOutsideOfTheRange(t *testing.T) {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	for _, tt := range []struct {
		at   time.Time
		want Stats
	}{
		{first, Stats{}},
		{first.Add(-1), Stats{Late: 1}},
		{first.Add(time.Second), Stats{}},
		{last, Stats{}},
		{last.Add(1), Stats{Early: 1}},
		{last.Add(-time.Second), Stats{}},
		{time.Time{}, Stats{Late: 1}},
		{time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC), Stats{Late: 1}},
		{time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), Stats{Early: 1}},
		{time.Unix(math.MaxInt64, 0), Stats{Early: 1}}, // wraps within package time, which makes it early or late
		{time.Unix(1<<40, 999_999_999), Stats{Early: 1}},
		{time.Unix(-1<<40, 0), Stats{Late: 1}},
	} {
		counter := newCounter(t, CounterConfig{Window: 10, EventTime: true, MaxAhead: math.MaxInt64})
		top := newTopK[int](t, TopKConfig{Window: 10, EventTime: true, MaxAhead: math.MaxInt64})
		counter.AddAt(tt.at, 1)
		top.AddAt(tt.at, 1, 1)
		if tt.at.Unix() == math.MaxInt64 {
			assert.Equal(t, uint64(1), counter.Stats().Early+counter.Stats().Late)
			continue
		}
		assert.Equal(t, tt.want, counter.Stats(), "%v", tt.at)
		assert.Equal(t, tt.want, top.Stats(), "%v", tt.at)
		assert.Equal(t, tt.want == Stats{}, counter.Sum() == 1, "%v", tt.at)
		assert.Equal(t, tt.want == Stats{}, top.Total() == 1, "%v", tt.at)
	}
}

// From one end of the axis to the other and back: the distances wrap, the order does not.
func TestBothEndsOfTheAxis(t *testing.T) {
	for _, width := range []int64{1, 7, 1000, 1 << 40, 1 << 61} {
		counter := newCounter(t, CounterConfig{Window: time.Duration(2 * width), Buckets: 2, EventTime: true, MaxAhead: math.MaxInt64})
		counter.AddAt(time.Unix(0, math.MinInt64), 1)
		counter.AddAt(time.Unix(0, math.MinInt64), 2)
		assert.Equal(t, int64(3), counter.Sum())
		counter.AddAt(time.Unix(0, math.MaxInt64), 4)
		assert.Equal(t, int64(4), counter.Sum(), "width %d", width)
		assert.Positive(t, counter.Rate())
		counter.AddAt(time.Unix(0, math.MinInt64), 8)
		assert.Equal(t, Stats{Late: 1}, counter.Stats(), "width %d", width)
		assert.Equal(t, int64(4), counter.Sum())
	}
}

func TestAmounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		for _, n := range []int64{0, -1, math.MinInt64} {
			counter.Add(n)
			counter.AddAt(time.Now(), n)
		}
		assert.Zero(t, counter.Sum())
		assert.Equal(t, Stats{Ignored: 4}, counter.Stats())
		events := newCounter(t, CounterConfig{Window: time.Second, EventTime: true})
		events.AddAt(time.Now(), 1)
		events.AddAt(time.Now().Add(30*time.Second), 0)
		events.AddAt(time.Now().Add(30*time.Second), -1)
		assert.Equal(t, int64(1), events.Sum(), "what is not counted does not move the window")
		assert.Equal(t, Stats{Ignored: 1}, events.Stats())
	})
}

func TestSumsStayAtMaxInt64(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ns := range [][]int64{
			{math.MaxInt64},
			{math.MaxInt64, 1, 1},
			{math.MaxInt64, math.MaxInt64, math.MaxInt64},
			{math.MaxInt64 - 5, 6, 1 << 32},
			{1 << 62, 1 << 62, 1<<32 + 1},
		} {
			counter := newCounter(t, second)
			for _, n := range ns {
				counter.Add(n)
			}
			assert.Equal(t, int64(math.MaxInt64), counter.Sum(), "%d in one bucket", ns)
			time.Sleep(100 * time.Millisecond)
			counter.Add(math.MaxInt64)
			assert.Equal(t, int64(math.MaxInt64), counter.Sum(), "%d and another bucket", ns)
			time.Sleep(time.Second)
			assert.Zero(t, counter.Sum(), "and leave")
		}
		counter := newCounter(t, second)
		counter.Add(math.MaxInt64 - 1)
		assert.Equal(t, int64(math.MaxInt64-1), counter.Sum())
		counter.Add(1)
		assert.Equal(t, int64(math.MaxInt64), counter.Sum())
		assert.InEpsilon(t, float64(math.MaxInt64)*10, counter.Rate(), 1e-9)
	})
}

// What a reader sees in the instant between an overflow and its repair.
func TestOverflowBeforeItsRepair(t *testing.T) {
	counter := newCounter(t, CounterConfig{Window: time.Hour})
	e := counter.ring.current()
	e.words[e.newest.Load()+1].Store(math.MinInt64 + 5)
	assert.Equal(t, int64(math.MaxInt64), counter.Sum())
	counter.Add(1 << 40)
	assert.Equal(t, int64(math.MaxInt64), counter.Sum())
	e.words[e.newest.Load()+1].Store(math.MinInt64 + 5)
	counter.Add(1)
	assert.Equal(t, int64(math.MaxInt64), e.words[e.newest.Load()+1].Load())
	e.words[e.newest.Load()+1].Store(7) // somebody has ended it, and the bucket has been reused
	clamp(&e.words[e.newest.Load()+1])
	assert.Equal(t, int64(7), counter.Sum())
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		counter.Add(5)
		counter.Add(-1)
		time.Sleep(250 * time.Millisecond)
		counter.AddAt(time.Now().Add(-200*time.Millisecond), 5)
		counter.Reset()
		assert.Zero(t, counter.Sum())
		assert.Equal(t, Stats{Ignored: 1}, counter.Stats())
		counter.Add(1)
		counter.AddAt(time.Now().Add(-200*time.Millisecond), 2)
		_, ns := sums(counter)
		assert.Equal(t, []int64{0, 0, 0, 0, 0, 0, 0, 2, 0, 1}, ns)
		time.Sleep(850 * time.Millisecond)
		assert.Equal(t, int64(1), counter.Sum(), "buckets are still counted from New")
	})
}

// Memory of a time window does not depend on the number of events; rolling stores every point.
func TestRegressionBurstCostsNoMemory(t *testing.T) {
	counter := newCounter(t, second)
	size := len(counter.ring.current().words)
	for range 100_000 {
		counter.Add(1)
	}
	assert.Len(t, counter.ring.current().words, size)
	assert.Equal(t, 20, size)
}

func TestCountersCountSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounters(t, CountersConfig{Window: time.Second, Outcomes: 3})
		c.Add(0, 1)
		c.Add(2, 100)
		time.Sleep(100 * time.Millisecond)
		c.Add(1, 10)
		c.AddAt(time.Now().Add(-100*time.Millisecond), 0, 2)
		c.AddAt(time.Now().Add(-time.Hour), 0, 4)
		c.Add(1, -1)
		assert.Equal(t, []int64{3, 10, 100}, c.Sums(nil))
		assert.Equal(t, []int64{7, 3, 10, 100}, c.Sums([]int64{7}), "appends")
		for outcome, want := range []int64{3, 10, 100} {
			assert.Equal(t, want, c.Sum(outcome))
		}
		assert.Equal(t, Stats{Late: 1, Ignored: 1}, c.Stats())
		time.Sleep(900 * time.Millisecond)
		assert.Equal(t, []int64{0, 10, 0}, c.Sums(nil))
		time.Sleep(100 * time.Millisecond)
		assert.Equal(t, []int64{0, 0, 0}, c.Sums(nil))
		c.Add(1, 5)
		c.Reset()
		assert.Equal(t, []int64{0, 0, 0}, c.Sums(nil))
	})
}

// The place of an expired bucket is empty for all outcomes, not just for the one that reuses it.
func TestReusedBucketIsEmptyForAllOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounters(t, CountersConfig{Window: time.Second, Outcomes: 64})
		for outcome := range 64 {
			c.Add(outcome, int64(outcome)+1)
		}
		time.Sleep(time.Second)
		c.Add(63, 1)
		want := make([]int64, 64)
		want[63] = 1
		assert.Equal(t, want, c.Sums(nil))
	})
}

func TestCountersInEventTime(t *testing.T) {
	c := newCounters(t, CountersConfig{Window: time.Second, Outcomes: 2, EventTime: true})
	assert.Equal(t, []int64{0, 0}, c.Sums(nil))
	assert.Zero(t, c.Sum(1))
	epoch := time.Unix(1000, 0)
	c.AddAt(epoch, 0, 1)
	c.AddAt(epoch.Add(900*time.Millisecond), 1, 2)
	assert.Equal(t, []int64{1, 2}, c.Sums(nil))
	c.AddAt(epoch.Add(time.Second), 1, 4)
	assert.Equal(t, []int64{0, 6}, c.Sums(nil))
	c.AddAt(time.Now().Add(time.Hour), 1, 8)
	assert.Equal(t, Stats{Early: 1}, c.Stats())
	c.Add(0, 1)
	assert.Equal(t, []int64{1, 0}, c.Sums(nil))
}

func TestOutcomeOutOfRangePanics(t *testing.T) {
	c := newCounters(t, CountersConfig{Window: time.Second, Outcomes: 3})
	for outcome, text := range map[int]string{
		5: "slidingwindow: outcome 5 out of range [0,3)", 3: "slidingwindow: outcome 3 out of range [0,3)",
		-1: "slidingwindow: outcome -1 out of range [0,3)",
	} {
		assert.PanicsWithValue(t, text, func() { c.Add(outcome, 1) })
		assert.PanicsWithValue(t, text, func() { c.AddAt(time.Now(), outcome, 1) })
		assert.PanicsWithValue(t, text, func() { c.Sum(outcome) })
	}
	assert.Equal(t, []int64{0, 0, 0}, c.Sums(nil))
}

// A sum of zero is a sum like any other, not a mark for "unset" as in VividCortex/ewma: the window counts on from it.
func TestRegressionZeroIsNotUnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		for range 3 {
			counter.Add(1)
			time.Sleep(time.Second)
			require.Zero(t, counter.Sum())
		}
		fold := newFold(t, FoldConfig[int]{Size: 3, Combine: sum})
		for _, v := range []int{0, 5, 0, 0, 0, 1} {
			fold.Push(v)
		}
		got, ok := fold.Value()
		require.True(t, ok)
		require.Equal(t, 1, got)
	})
}

// One update reads the clock once; go-zero reads it twice, and a boundary between the two shifts its ring by a bucket.
func TestRegressionBoundaryWithinOneUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		for i := range 200 {
			counter.Add(1)
			_, ns := sums(counter)
			require.Equal(t, int64(1), ns[9], "bucket %d", i)
			require.Equal(t, slices.Repeat([]int64{1}, min(i+1, 10)), ns[max(0, 9-i):])
			time.Sleep(100 * time.Millisecond)
		}
	})
}
