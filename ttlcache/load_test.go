package ttlcache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errOrigin = errors.New("origin is down")

// origin is a loader that counts, takes a second, and answers with its number or an error.
type origin struct {
	calls atomic.Int64
	takes time.Duration
	err   error
}

func newOrigin() *origin { return &origin{takes: time.Second} }

func (o *origin) load(ctx context.Context, _ int) (int, error) {
	n := int(o.calls.Add(1))
	err := o.err
	select {
	case <-time.After(o.takes):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return n, err
}

func TestNilLoaderPanicsAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute})
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ctx := range []context.Context{t.Context(), done} {
			assert.PanicsWithValue(t, "ttlcache: GetOrLoad: nil loader", func() { _, _ = c.GetOrLoad(ctx, 1, nil) })
		}
		assert.Zero(t, c.Stats())
		value, err := c.GetOrLoad(t.Context(), 1, newOrigin().load) // maypok86/otter#257: the key was stuck
		require.NoError(t, err)
		assert.Equal(t, 1, value)
	})
}

func TestDoneContextHasNoEffect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute, Sliding: true})
		c.Set(1, 1)
		c.Set(2, 2)
		sleep(time.Second)
		cause := errors.New("cause")
		done, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		before := c.Stats()
		for _, key := range []int{1, 3} {
			_, err := c.GetOrLoad(done, key, func(context.Context, int) (int, error) { panic("called") })
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
		}
		late, cancelLate := context.WithTimeout(t.Context(), 1)
		defer cancelLate()
		sleep(1)
		_, err := c.GetOrLoad(late, 1, newOrigin().load)
		require.Equal(t, context.DeadlineExceeded, err)
		assert.Equal(t, before, c.Stats())
		assert.Equal(t, []int{1, 2}, keys(t, c))
		left, _ := c.TTL(1)
		assert.Equal(t, time.Minute-time.Second-1, left)
		c.Clear()
	})
}

// A thousand callers, one call of the loader (jellydator/ttlcache, phuslu/lru#30, maypok86/otter#152, #184).
func TestStampede(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const callers = 1000
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute})
		o := newOrigin()
		start := time.Now()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				value, err := c.GetOrLoad(t.Context(), 1, o.load)
				assert.Equal(t, 1, value, "%v", err)
				assert.Equal(t, time.Second, time.Since(start))
			})
		}
		wg.Wait()
		assert.Equal(t, Stats{Misses: callers, Loads: 1, Inserts: 1}, c.Stats())
		left, _ := c.TTL(1)
		assert.Equal(t, time.Minute, left, "the life starts when the value is stored")
		_, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		assert.Equal(t, uint64(1), c.Stats().Hits)
		assert.Nil(t, flights(c))
		c.Clear()
	})
}

// jellydator/ttlcache joins loads by fmt.Sprint of the key, which is the same for these two.
func TestDifferentKeysDoNotShareALoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{ a, b string }
		c := mustNew(t, Config[key, string]{Capacity: 4, TTL: time.Minute})
		load := func(_ context.Context, k key) (string, error) {
			time.Sleep(time.Second)
			return k.a + "|" + k.b, nil
		}
		one, two := key{"a b", "c"}, key{"a", "b c"}
		require.Equal(t, fmt.Sprint(one), fmt.Sprint(two))
		var wg sync.WaitGroup
		for _, k := range []key{one, two} {
			wg.Go(func() {
				value, err := c.GetOrLoad(t.Context(), k, load)
				assert.Equal(t, k.a+"|"+k.b, value, "%v", err)
			})
		}
		wg.Wait()
		c.Clear()
	})
}

// nothing is a nil that vet does not see through.
func nothing() any { return nil }

type ctxKey struct{}

// The first caller gives up; the others wait on, undisturbed (groupcache and singleflight fail them all). The context of
// the loader has the values of the first caller's and not its end.
func TestLeaderGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute})
		cause := errors.New("impatient")
		leader, cancel := context.WithCancelCause(context.WithValue(t.Context(), ctxKey{}, "leader"))
		load := func(ctx context.Context, _ int) (int, error) {
			assert.Equal(t, "leader", ctx.Value(ctxKey{}))
			_, limited := ctx.Deadline()
			assert.False(t, limited)
			time.Sleep(time.Second)
			return 7, ctx.Err()
		}
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.GetOrLoad(leader, 1, load)
			assert.True(t, errors.Is(err, context.Canceled) && errors.Is(err, cause), "%v", err)
			assert.Equal(t, time.Second/2, time.Since(start), "promptly")
		})
		synctest.Wait()
		wg.Go(func() {
			value, err := c.GetOrLoad(t.Context(), 1, load)
			assert.Equal(t, 7, value, "%v", err)
		})
		sleep(time.Second / 2)
		cancel(cause)
		wg.Wait()
		assert.Equal(t, Stats{Misses: 2, Loads: 1, Inserts: 1}, c.Stats())
		c.Clear()
	})
}

// When the last caller has given up the load is abandoned: its context ends, its result is nobody's, the next caller
// starts anew.
func TestLastCallerAbandonsTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute})
		var ended atomic.Bool
		stubborn := func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			if ended.Swap(true) {
				return 0, ctx.Err()
			}
			time.Sleep(time.Minute)
			return 1, nil // and yet a value
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				one, stop := context.WithCancel(ctx)
				defer stop()
				_, err := c.GetOrLoad(one, 1, stubborn)
				assert.ErrorIs(t, err, context.Canceled)
			})
		}
		synctest.Wait()
		assert.False(t, ended.Load())
		cancel()
		wg.Wait()
		synctest.Wait()
		assert.True(t, ended.Load(), "the context of the loader has ended")
		value, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 2, nil })
		require.NoError(t, err)
		assert.Equal(t, 2, value)
		sleep(59 * time.Second)
		value, _ = c.Peek(1)
		assert.Equal(t, 2, value, "the abandoned result is discarded")
		sleep(10 * time.Second)
		assert.Equal(t, Stats{Misses: 4, Loads: 2, Inserts: 1, Expirations: c.Stats().Expirations}, c.Stats())
		sleep(time.Minute)
	})
}

// A waiter that leaves is counted once: the one who stays keeps the load alive.
func TestOneCallerKeepsTheLoadAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Minute})
		o := newOrigin()
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				ctx := t.Context()
				if n != 3 {
					limited, cancel := context.WithTimeout(ctx, time.Duration(n+1)*100*time.Millisecond)
					defer cancel()
					ctx = limited
				}
				value, err := c.GetOrLoad(ctx, 1, o.load)
				if n == 3 {
					assert.Equal(t, 1, value, "%v", err)
				} else {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				}
			})
		}
		wg.Wait()
		assert.True(t, c.Contains(1))
		c.Clear()
	})
}

// Set, SetTTL, a GetOrSet that stores, Delete and Clear are newer than what is being loaded (maypok86/otter#203, #240;
// google/guava#1881). The callers get their value, it is not stored, later callers do not join.
func TestWritesBeatALoad(t *testing.T) {
	for name, test := range map[string]struct {
		write func(c *Cache[int, int])
		want  int // what is cached after it; 0: nothing
	}{
		"Set":             {func(c *Cache[int, int]) { c.Set(1, 50) }, 50},
		"SetTTL":          {func(c *Cache[int, int]) { c.SetTTL(1, 51, time.Hour) }, 51},
		"SetTTL, refused": {func(c *Cache[int, int]) { c.SetTTL(1, 51, 0) }, 0},
		"GetOrSet":        {func(c *Cache[int, int]) { c.GetOrSet(1, 52) }, 52},
		"Delete":          {func(c *Cache[int, int]) { c.Delete(1) }, 0},
		"Clear":           {func(c *Cache[int, int]) { c.Clear() }, 0},
		"Set and Delete":  {func(c *Cache[int, int]) { c.Set(1, 50); c.Delete(1) }, 0},
	} {
		for _, err := range []error{nil, errOrigin, ErrNotFound} {
			bubble(t, func(t *testing.T) {
				c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Hour, NegativeTTL: time.Hour, StaleIfError: time.Hour})
				o := newOrigin()
				o.err = err
				var wg sync.WaitGroup
				wg.Go(func() {
					value, got := c.GetOrLoad(t.Context(), 1, o.load)
					assert.Equal(t, err, got, name)
					assert.Equal(t, err == nil, value == 1)
				})
				synctest.Wait()
				test.write(c)
				validate(t, c)
				wg.Go(func() {
					value, _ := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 99, nil })
					if test.want == 0 {
						assert.Equal(t, 99, value, "%s: later callers do not join", name)
					} else {
						assert.Equal(t, test.want, value)
					}
				})
				wg.Wait()
				value, ok := c.Peek(1)
				assert.True(t, ok)
				assert.NotEqual(t, 1, value, "%s: the older result was not stored", name)
				assert.Zero(t, absences(c))
				validate(t, c)
				c.Clear()
			})
		}
	}
}

// What does not say anything about the value leaves a load alone (maypok86/otter#188: eviction cancelled it).
func TestOtherCallsLeaveALoadAlone(t *testing.T) {
	for name, call := range map[string]func(c *Cache[int, int]){
		"Resize":           func(c *Cache[int, int]) { _, _ = c.Resize(1) },
		"Expire":           func(c *Cache[int, int]) { c.Expire(1, 0) },
		"eviction":         func(c *Cache[int, int]) { c.Set(2, 2); c.Set(3, 3); c.Set(4, 4) },
		"another key":      func(c *Cache[int, int]) { c.Set(2, 2); c.Delete(2) },
		"refused GetOrSet": func(c *Cache[int, int]) { c.GetOrSet(1, 1000) },
		"Get":              func(c *Cache[int, int]) { c.Get(1) },
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{
				Capacity: 2, TTL: time.Hour, MaxWeight: 100, Weigh: func(_, v int) int64 { return int64(v) },
			})
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = c.GetOrLoad(t.Context(), 1, newOrigin().load) })
			synctest.Wait()
			call(c)
			wg.Wait()
			value, _ := c.Peek(1)
			assert.Equal(t, 1, value, name)
			c.Clear()
		})
	}
}

// A loader that knows how long its value lives stores it itself; nothing is stored over it.
func TestLoaderMaySetTTL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Hour})
		value, err := c.GetOrLoad(t.Context(), 1, func(_ context.Context, key int) (int, error) {
			c.SetTTL(key, 5, time.Second)
			return 5, nil
		})
		require.NoError(t, err)
		assert.Equal(t, 5, value)
		left, _ := c.TTL(1)
		assert.Equal(t, time.Second, left)
		assert.Equal(t, uint64(1), c.Stats().Inserts)
		sleep(time.Minute)
	})
}

func TestLoaderMayUseTheCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 100, TTL: time.Hour})
		var fib func(ctx context.Context, n int) (int, error)
		fib = func(ctx context.Context, n int) (int, error) {
			if n < 2 {
				return n, nil
			}
			a, err := c.GetOrLoad(ctx, n-1, fib)
			if err != nil {
				return 0, err
			}
			b, err := c.GetOrLoad(ctx, n-2, fib)
			c.Len()
			return a + b, err
		}
		value, err := c.GetOrLoad(t.Context(), 40, fib)
		require.NoError(t, err)
		assert.Equal(t, 102334155, value)
		assert.Equal(t, uint64(41), c.Stats().Loads)
		c.Clear()
	})
}

// Every caller gets the value, even if it cannot be stored or does not live until they run (jellydator/ttlcache#44).
func TestCallersGetTheValueWhateverBecomesOfIt(t *testing.T) {
	weigh := func(_, v int) int64 { return int64(v) }
	for name, cfg := range map[string]Config[int, int]{
		"short life": {Capacity: 1, TTL: 1},
		"too heavy":  {Capacity: 1, TTL: time.Hour, MaxWeight: 1, Weigh: weigh},
		"evicted":    {Capacity: 1, TTL: time.Hour},
	} {
		bubble(t, func(t *testing.T) {
			var c *Cache[int, int]
			cfg.OnEvict = func(int, int, Reason) { time.Sleep(time.Hour) } // runs after the callers are released
			c = mustNew(t, cfg)
			start := time.Now()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					value, err := c.GetOrLoad(t.Context(), 5, func(context.Context, int) (int, error) {
						time.Sleep(time.Second)
						return 5, nil
					})
					assert.Equal(t, 5, value, "%s: %v", name, err)
					assert.Equal(t, time.Second, time.Since(start))
				})
			}
			wg.Wait()
			if name == "evicted" {
				c.Set(6, 6)
			}
			sleep(2 * time.Hour)
			assert.Nil(t, flights(c))
			if name == "too heavy" {
				assert.Equal(t, uint64(1), c.Stats().Rejected)
			}
			sleep(10 * time.Hour)
		})
	}
}

func TestErrorsAreSharedAndNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Hour})
		o := newOrigin()
		o.err = &PanicError{Value: "any error value"}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := c.GetOrLoad(t.Context(), 1, o.load)
				assert.Same(t, o.err, err, "identical")
			})
		}
		wg.Wait()
		assert.Zero(t, c.Len())
		o.err = nil
		value, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		assert.Equal(t, 2, value, "the next call loads again")
		assert.Equal(t, Stats{Misses: 6, Loads: 2, LoadErrors: 1, Inserts: 1}, c.Stats())
		c.Clear()
	})
}

// A loader that panics or calls Goexit strands nobody (phuslu/lru#30: later callers hang; singleflight: Goexit, as in
// t.FailNow, hangs them).
func TestCrashingLoaderStrandsNobody(t *testing.T) {
	cause := errors.New("cause")
	for name, test := range map[string]struct {
		crash func()
		check func(err error)
	}{
		"panic": {func() { panic("boom") }, func(err error) {
			var failure *PanicError
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, "boom", failure.Value)
			assert.Contains(t, string(failure.Stack), "load_test.go")
			assert.Contains(t, err.Error(), "ttlcache: loader panicked: boom")
		}},
		"panic, error": {func() { panic(cause) }, func(err error) { require.ErrorIs(t, err, cause) }},
		"panic, nil": {func() { panic(nothing()) }, func(err error) {
			var failure *runtime.PanicNilError
			require.ErrorAs(t, err, &failure)
		}},
		"panic, ErrNotFound": {func() { panic(ErrNotFound) }, func(err error) { require.ErrorIs(t, err, ErrNotFound) }},
		"Goexit":             {runtime.Goexit, func(err error) { require.Equal(t, ErrGoexit, err) }},
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Second, StaleIfError: time.Hour, NegativeTTL: time.Hour})
			c.Set(1, 1)
			sleep(time.Second) // stale, but a crash is never covered
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					_, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) {
						time.Sleep(time.Second)
						test.crash()
						return 0, nil
					})
					test.check(err)
				})
			}
			wg.Wait()
			assert.Equal(t, uint64(1), c.Stats().LoadErrors, name)
			assert.Zero(t, absences(c))
			value, err := c.GetOrLoad(t.Context(), 1, newOrigin().load)
			require.NoError(t, err, "the next call loads again")
			assert.Equal(t, 1, value)
			c.Clear()
		})
	}
}

// wrapped matches ErrNotFound without being it.
type wrapped struct{ key int }

func (wrapped) Error() string        { return "no such row" }
func (wrapped) Is(target error) bool { return target == ErrNotFound }

func TestNegativeCaching(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{
			Capacity: 2, TTL: time.Hour, NegativeTTL: 10 * time.Second, OnEvict: r.hook, Sliding: true,
			MaxWeight: 100, Weigh: func(int, int) int64 { return 1 },
		})
		o := newOrigin()
		o.err = wrapped{1}
		_, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.Equal(t, wrapped{1}, err, "the callers of the load get its error")
		for range 9 {
			sleep(time.Second)
			_, err = c.GetOrLoad(t.Context(), 1, o.load)
			require.Equal(t, ErrNotFound, err, "later ones are told from memory")
		}
		assert.Equal(t, int64(1), o.calls.Load())
		// Invisible to everything else.
		_, ok := c.Get(1)
		assert.False(t, ok)
		assert.False(t, c.Contains(1))
		_, ok = c.TTL(1)
		assert.False(t, ok)
		assert.False(t, c.Expire(1, time.Hour))
		assert.Zero(t, c.Len())
		assert.Zero(t, c.Weight())
		assert.Empty(t, keys(t, c))
		assert.Equal(t, Stats{Hits: 9, Misses: 2, Loads: 1, LoadErrors: 1}, c.Stats())
		sleep(time.Second)
		_, err = c.GetOrLoad(t.Context(), 1, o.load)
		require.Equal(t, wrapped{1}, err, "its time was over, to the nanosecond, and did not slide")
		assert.Equal(t, int64(2), o.calls.Load())
		synctest.Wait()
		// It occupies a place, and leaves without a report.
		c.Set(2, 20)
		c.Set(3, 30)
		assert.Empty(t, r.take())
		assert.Equal(t, []int{2, 3}, keys(t, c))
		_, err = c.GetOrLoad(t.Context(), 1, o.load)
		require.Error(t, err)
		synctest.Wait() // hooks of a load run after its callers have been released
		assert.Equal(t, []event{{2, 20, Evicted}}, r.take(), "an absence takes a place like a value")
		// Set, Delete and Clear remove it.
		c.Set(1, 11)
		value, ok := c.Get(1)
		assert.True(t, ok)
		assert.Equal(t, 11, value)
		c.Delete(1)
		for name, remove := range map[string]func(){
			"Delete": func() { _, ok := c.Delete(1); assert.False(t, ok) },
			"Clear":  c.Clear,
			"refuse": func() { c.SetTTL(1, 1, 0) },
		} {
			_, err = c.GetOrLoad(t.Context(), 1, o.load)
			require.Equal(t, wrapped{1}, err, name)
			remove()
			assert.Zero(t, absences(c), name)
			validate(t, c)
		}
		_, loaded := c.GetOrSet(1, 12)
		assert.False(t, loaded)
		c.Clear()
		sleep(time.Hour)
	})
}

// An absence is removed by the timer, and nobody is told.
func TestAbsencesAreCleanedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{
			Capacity: 9, TTL: NoExpiry, NegativeTTL: time.Second, StaleIfError: time.Hour,
			OnEvict: func(int, int, Reason) { t.Error("told of an absence") },
		})
		_, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, ErrNotFound })
		require.Equal(t, ErrNotFound, err)
		assert.Equal(t, 1, held(c))
		sleep(time.Second)
		assert.Zero(t, held(c), "stale times are not for absences")
		validate(t, c)
	})
}

func TestErrNotFoundRemovesTheStaleValue(t *testing.T) {
	for _, negative := range []time.Duration{0, time.Minute} {
		bubble(t, func(t *testing.T) {
			var r recorder
			c := mustNew(t, Config[int, int]{
				Capacity: 9, TTL: time.Second, NegativeTTL: negative, StaleIfError: time.Hour, OnEvict: r.hook,
			})
			c.Set(1, 10)
			sleep(time.Second)
			_, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, ErrNotFound })
			require.Equal(t, ErrNotFound, err)
			synctest.Wait()
			assert.Equal(t, []event{{1, 10, Expired}}, r.take())
			_, err = c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errOrigin })
			if negative == 0 {
				assert.Equal(t, errOrigin, err, "not the value that is known to be gone")
			} else {
				assert.Equal(t, ErrNotFound, err)
			}
			c.Clear()
		})
	}
}

// While the time lasts the expired value is returned at once, and one load runs in the background.
func TestStaleWhileRevalidate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: 10 * time.Second, StaleWhileRevalidate: 5 * time.Second, OnEvict: r.hook})
		o := newOrigin()
		c.Set(1, 100)
		c.Set(2, 200)
		sleep(10*time.Second - 1)
		value, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		require.Equal(t, 100, value)
		require.Zero(t, o.calls.Load(), "still live")
		c.Get(2)
		sleep(1)
		impatient, cancel := context.WithCancel(t.Context())
		for range 5 {
			start := time.Now()
			value, err = c.GetOrLoad(impatient, 1, o.load)
			require.NoError(t, err)
			require.Equal(t, 100, value)
			require.Zero(t, time.Since(start), "at once")
		}
		cancel() // a load in the background is cancelled by nobody
		synctest.Wait()
		assert.Equal(t, int64(1), o.calls.Load())
		_, ok := c.Get(1)
		assert.False(t, ok, "to everybody else it is gone")
		assert.Zero(t, c.Len())
		sleep(time.Second)
		value, ok = c.Get(1)
		assert.True(t, ok)
		assert.Equal(t, 1, value)
		assert.Equal(t, []event{{1, 100, Expired}}, r.take(), "a stale value that is replaced has expired")
		assert.Equal(t, uint64(5), c.Stats().Stale)
		left, _ := c.TTL(1)
		assert.Equal(t, 10*time.Second, left)
		// At the end of the time the caller waits.
		sleep(15*time.Second - 1)
		value, _ = c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errOrigin })
		assert.Equal(t, 1, value, "a nanosecond before the end")
		synctest.Wait()
		sleep(1)
		_, err = c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errOrigin })
		assert.Equal(t, errOrigin, err, "at the end")
		c.Clear()
		sleep(time.Minute)
	})
}

// Whoever comes when the stale time is over joins the load in the background, may leave it, and does not cancel it.
func TestBackgroundLoadIsJoinedAndNotCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Second, StaleWhileRevalidate: time.Second})
		o := newOrigin()
		o.takes = 10 * time.Second
		c.Set(1, 100)
		sleep(time.Second)
		_, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		sleep(time.Second)
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.GetOrLoad(limited, 1, o.load)
		require.Equal(t, context.DeadlineExceeded, err)
		value, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		assert.Equal(t, 1, value)
		assert.Equal(t, int64(1), o.calls.Load())
		c.Clear()
	})
}

// Crashes in the background only count.
func TestBackgroundLoadCrashes(t *testing.T) {
	for _, crash := range []func(){func() { panic("boom") }, runtime.Goexit} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Second, StaleWhileRevalidate: time.Minute})
			c.Set(1, 100)
			sleep(time.Second)
			for n := range 3 {
				value, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { crash(); return 0, nil })
				require.NoError(t, err)
				require.Equal(t, 100, value)
				synctest.Wait()
				assert.Equal(t, uint64(n+1), c.Stats().LoadErrors)
			}
			c.Clear()
		})
	}
}

func TestStaleIfError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: 10 * time.Second, StaleIfError: 5 * time.Second})
		o := newOrigin()
		o.err = errOrigin
		c.Set(1, 100)
		sleep(10 * time.Second)
		var wg sync.WaitGroup
		start := time.Now()
		for range 5 {
			wg.Go(func() {
				value, err := c.GetOrLoad(t.Context(), 1, o.load)
				assert.Equal(t, 100, value, "%v", err)
				assert.Equal(t, time.Second, time.Since(start), "only after the loader has failed")
			})
		}
		wg.Wait()
		assert.Equal(t, Stats{Misses: 5, Stale: 5, Inserts: 1, Loads: 1, LoadErrors: 1}, c.Stats())
		assert.False(t, c.Contains(1))
		sleep(3*time.Second - 1)
		value, err := c.GetOrLoad(t.Context(), 1, o.load) // the load ends a nanosecond before the end
		require.NoError(t, err)
		assert.Equal(t, 100, value)
		assert.Equal(t, int64(2), o.calls.Load(), "the next call loads again")
		_, err = c.GetOrLoad(t.Context(), 1, o.load)
		assert.Equal(t, errOrigin, err, "measured when the load ends")
		synctest.Wait()
		sleep(time.Minute)
		assert.Zero(t, held(c))
	})
}

// A stale value is kept, and found, for a time that overflows.
func TestStaleForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Second, StaleIfError: NoExpiry})
		c.Set(1, 100)
		sleep(100 * 365 * 24 * time.Hour)
		value, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errOrigin })
		require.NoError(t, err)
		assert.Equal(t, 100, value)
		assert.Zero(t, c.Len())
		validate(t, c)
		c.Set(1, 101)
		validate(t, c)
		c.Clear()
	})
}

// A value that is kept for ever in case of errors is not therefore returned at once for ever: time is known though nothing
// can expire any more.
func TestRevalidationEndsThoughTheStaleValueStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{
			Capacity: 2, TTL: time.Second, StaleWhileRevalidate: time.Second, StaleIfError: NoExpiry,
		})
		c.Set(1, 100)
		sleep(time.Hour)
		assert.Equal(t, never, alarmAt(c))
		o := newOrigin()
		value, err := c.GetOrLoad(t.Context(), 1, o.load)
		require.NoError(t, err)
		assert.Equal(t, 1, value, "the caller waits for the new value")
		assert.Zero(t, c.Stats().Stale)
		c.Clear()
		sleep(time.Minute) // for a load in the background that there should not be
	})
}

// A result that is there when the context ends is not thrown away.
func TestResultWinsOverTheEndOfTheContext(t *testing.T) {
	c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &flight[int]{done: make(chan struct{}), finished: true, value: 7, waiters: 1}
	value, err := c.wait(ctx, 1, f)
	require.NoError(t, err)
	assert.Equal(t, 7, value)
	assert.Equal(t, 1, f.waiters)
}

// The hooks of a load run after its callers have been released, and their end is that of the loader's goroutine.
func TestHookGoexitInALoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		told := 0
		c := mustNew(t, Config[int, int]{Capacity: 1, TTL: time.Hour, OnEvict: func(int, int, Reason) {
			told++
			runtime.Goexit()
		}})
		c.SetTTL(2, 2, NoExpiry)
		value, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 5, nil })
		require.NoError(t, err)
		assert.Equal(t, 5, value)
		synctest.Wait()
		assert.Equal(t, 1, told)
		assert.True(t, c.Contains(1))
		validate(t, c)
		go c.Clear()
		synctest.Wait()
	})
}
