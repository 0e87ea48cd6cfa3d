package ttlcache

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func timeOf(n int64) time.Duration { return time.Duration(n) }

func mapsKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

func mustNew[K comparable, V any](tb testing.TB, cfg Config[K, V]) *Cache[K, V] {
	tb.Helper()
	c, err := New(cfg)
	require.NoError(tb, err)
	return c
}

// bubble runs a test in a bubble: nothing in this package may need real time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// sleep lets time pass, and whatever the timer and loaders do at its end.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// event is what a hook is told.
type event struct {
	key, value int
	reason     Reason
}

// recorder is a hook that keeps what it is told, by the timer and by loaders too.
type recorder struct {
	mu     sync.Mutex
	events []event
}

func (r *recorder) hook(key, value int, reason Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{key, value, reason})
}

func (r *recorder) take() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// validate walks the structures of c and the accounts that must follow from them.
func validate[K comparable, V any](t require.TestingT, c *Cache[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.store
	require.NoError(t, s.table.Validate())
	validateWheel(t, &s.wheel, s.due)
	live, absences, first, weight := 0, 0, never, int64(0)
	for i := s.table.Front(); i != 0; i = s.table.Next(i) {
		it := &s.table.At(i).Value
		switch it.state {
		case fresh:
			live++
		case absent:
			absences++
		case stale:
			require.LessOrEqual(t, it.deadline, s.now)
		}
		require.True(t, s.due(it) == never || it.slot != nowhere, "whatever can expire is in the wheel")
		first = min(first, s.due(it))
		if s.maxWeight != 0 {
			weight += int64(s.table.Tag(i))
		}
	}
	require.Equal(t, live, s.live)
	require.Equal(t, absences, s.absences)
	require.Equal(t, weight, s.weight)
	require.LessOrEqual(t, weight, s.maxWeight)
	require.LessOrEqual(t, s.table.Len(), s.capacity)
	require.Equal(t, s.wheel.len > 0, s.expiring.Load())
	require.LessOrEqual(t, s.alarm.at, after(first, s.alarm.interval), "the alarm covers every deadline")
	require.Equal(t, s.stats.Inserts-s.stats.Evictions-s.stats.Expirations-s.stats.Deletes, uint64(s.table.Len()-absences))
	for key, f := range s.flights {
		require.True(t, f.joinable && !f.finished, "%v", key)
	}
}

// inside looks into c under its lock: the timer may be at work.
func inside[K comparable, V, R any](c *Cache[K, V], look func(s *store[K, V]) R) R {
	c.mu.Lock()
	defer c.mu.Unlock()
	return look(&c.store)
}

func held[K comparable, V any](c *Cache[K, V]) int {
	return inside(c, func(s *store[K, V]) int { return s.table.Len() })
}

func absences[K comparable, V any](c *Cache[K, V]) int {
	return inside(c, func(s *store[K, V]) int { return s.absences })
}

func flights[K comparable, V any](c *Cache[K, V]) map[K]*flight[V] {
	return inside(c, func(s *store[K, V]) map[K]*flight[V] { return s.flights })
}

func alarmAt[K comparable, V any](c *Cache[K, V]) int64 {
	return inside(c, func(s *store[K, V]) int64 { return s.alarm.at })
}

// stopTimer keeps everything where it is until a call removes it.
func stopTimer[K comparable, V any](c *Cache[K, V]) {
	inside(c, func(s *store[K, V]) int { s.alarm.stop(); return 0 })
}

// keys returns the keys of c, the least recent first, after it has checked that all views of the contents agree.
func keys[K comparable, V any](t *testing.T, c *Cache[K, V]) []K {
	t.Helper()
	all := slices.Collect(c.Keys())
	validate(t, c)
	require.Len(t, all, c.Len())
	backward := []K{}
	for key := range c.Backward() {
		backward = append(backward, key)
	}
	slices.Reverse(backward)
	require.ElementsMatch(t, all, backward)
	return all
}

func TestNewRejects(t *testing.T) {
	weigh := func(int, int) int64 { return 1 }
	type config = Config[int, int]
	ok := config{Capacity: 1, TTL: 1}
	with := func(change func(*config)) config {
		cfg := ok
		change(&cfg)
		return cfg
	}
	for want, cfg := range map[string]config{
		"Capacity must be at least 1, got 0":                              with(func(c *config) { c.Capacity = 0 }),
		"Capacity must be at least 1, got -1":                             with(func(c *config) { c.Capacity = -1 }),
		"Capacity must be at most 1073741824, got 1073741825":             with(func(c *config) { c.Capacity = MaxCapacity + 1 }),
		"TTL must be positive or NoExpiry, got 0s":                        with(func(c *config) { c.TTL = 0 }),
		"TTL must be positive or NoExpiry, got -1ns":                      with(func(c *config) { c.TTL = -1 }),
		"Jitter must be at least 0 and below 1, got NaN":                  with(func(c *config) { c.Jitter = math.NaN() }),
		"Jitter must be at least 0 and below 1, got -0.1":                 with(func(c *config) { c.Jitter = -0.1 }),
		"Jitter must be at least 0 and below 1, got 1":                    with(func(c *config) { c.Jitter = 1 }),
		"Jitter must be at least 0 and below 1, got +Inf":                 with(func(c *config) { c.Jitter = math.Inf(1) }),
		"Jitter must be at least 0 and below 1, got -Inf":                 with(func(c *config) { c.Jitter = math.Inf(-1) }),
		"MaxWeight must not be negative, got -1":                          with(func(c *config) { c.MaxWeight = -1 }),
		"MaxWeight must be at least 1 with Weigh, got 0":                  with(func(c *config) { c.Weigh = weigh }),
		"Weigh must be set with MaxWeight, got nil":                       with(func(c *config) { c.MaxWeight = 1 }),
		"NegativeTTL must not be negative, got -1s":                       with(func(c *config) { c.NegativeTTL = -time.Second }),
		"StaleWhileRevalidate must not be negative, got -1ns":             with(func(c *config) { c.StaleWhileRevalidate = -1 }),
		"StaleIfError must not be negative, got -1ns":                     with(func(c *config) { c.StaleIfError = -1 }),
		"CleanupInterval must not be negative, got -1ns":                  with(func(c *config) { c.CleanupInterval = -1 }),
		"CleanupInterval must be 0 or at least 1ms, got 1ns":              with(func(c *config) { c.CleanupInterval = 1 }),
		"CleanupInterval must be 0 or at least 1ms, got 999.999µs":        with(func(c *config) { c.CleanupInterval = 999_999 }),
		"TTL must be positive or NoExpiry, got -2562047h47m16.854775808s": with(func(c *config) { c.TTL = math.MinInt64 }),
	} {
		c, err := New(cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "ttlcache: invalid config: "+want)
		assert.Nil(t, c)
	}
}

func TestNewAcceptsTheEdges(t *testing.T) {
	const most = time.Duration(math.MaxInt64)
	for _, cfg := range []Config[int, int]{
		{Capacity: 1, TTL: 1},
		{Capacity: MaxCapacity, TTL: NoExpiry},
		{Capacity: 1, TTL: most - 1, Jitter: 0.999999, NegativeTTL: most, StaleWhileRevalidate: most, StaleIfError: most, CleanupInterval: most},
		{Capacity: 1, TTL: 1, CleanupInterval: time.Millisecond, MaxWeight: math.MaxInt64, Weigh: func(int, int) int64 { return 0 }},
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, cfg)
			assert.True(t, c.Set(1, 1))
			assert.True(t, c.Contains(1))
			assert.Equal(t, cfg.Capacity, c.Cap())
			validate(t, c)
		})
	}
}

func TestResizeRejects(t *testing.T) {
	c := mustNew(t, Config[int, int]{Capacity: 3, TTL: NoExpiry})
	c.Set(1, 1)
	for capacity, want := range map[int]string{
		0:               "ttlcache: invalid config: Capacity must be at least 1, got 0",
		-1:              "ttlcache: invalid config: Capacity must be at least 1, got -1",
		MaxCapacity + 1: "ttlcache: invalid config: Capacity must be at most 1073741824, got 1073741825",
	} {
		_, err := c.Resize(capacity)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, want)
	}
	assert.Equal(t, 3, c.Cap())
	assert.Equal(t, []int{1}, keys(t, c))
}

func TestNilAndZeroCachePanic(t *testing.T) {
	load := func(context.Context, int) (int, error) { return 0, nil }
	for name, call := range map[string]func(*Cache[int, int]){
		"Get":       func(c *Cache[int, int]) { c.Get(1) },
		"Peek":      func(c *Cache[int, int]) { c.Peek(1) },
		"Contains":  func(c *Cache[int, int]) { c.Contains(1) },
		"Set":       func(c *Cache[int, int]) { c.Set(1, 1) },
		"SetTTL":    func(c *Cache[int, int]) { c.SetTTL(1, 1, 1) },
		"GetOrSet":  func(c *Cache[int, int]) { c.GetOrSet(1, 1) },
		"Delete":    func(c *Cache[int, int]) { c.Delete(1) },
		"TTL":       func(c *Cache[int, int]) { c.TTL(1) },
		"Expire":    func(c *Cache[int, int]) { c.Expire(1, 1) },
		"Resize":    func(c *Cache[int, int]) { _, _ = c.Resize(1) },
		"Clear":     func(c *Cache[int, int]) { c.Clear() },
		"Len":       func(c *Cache[int, int]) { c.Len() },
		"Cap":       func(c *Cache[int, int]) { c.Cap() },
		"Weight":    func(c *Cache[int, int]) { c.Weight() },
		"All":       func(c *Cache[int, int]) { c.All() },
		"Backward":  func(c *Cache[int, int]) { c.Backward() },
		"Keys":      func(c *Cache[int, int]) { c.Keys() },
		"Values":    func(c *Cache[int, int]) { c.Values() },
		"Stats":     func(c *Cache[int, int]) { c.Stats() },
		"GetOrLoad": func(c *Cache[int, int]) { _, _ = c.GetOrLoad(t.Context(), 1, load) },
	} {
		for _, c := range []*Cache[int, int]{nil, {}} {
			assert.PanicsWithValue(t, "ttlcache: use of a nil or zero Cache; create it with New", func() { call(c) }, name)
		}
	}
}

func TestGetAndSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, string]{Capacity: 2, TTL: time.Minute})
		_, ok := c.Get(1)
		assert.False(t, ok)
		assert.True(t, c.Set(1, "one"))
		assert.True(t, c.Set(2, "two"))
		value, ok := c.Get(1)
		assert.True(t, ok)
		assert.Equal(t, "one", value)
		c.Set(3, "three")
		assert.Equal(t, []int{1, 3}, keys(t, c), "the least recent has left")
		assert.Equal(t, []string{"one", "three"}, slices.Collect(c.Values()))
		c.Set(1, "uno")
		assert.Equal(t, []int{3, 1}, keys(t, c))
		assert.Equal(t, Stats{Hits: 1, Misses: 1, Inserts: 3, Updates: 1, Evictions: 1}, c.Stats())
	})
}

func TestPeekAndContainsChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Minute, Sliding: true})
		c.Set(1, 10)
		c.Set(2, 20)
		before := c.Stats()
		sleep(time.Second)
		value, ok := c.Peek(1)
		assert.True(t, ok)
		assert.Equal(t, 10, value)
		assert.True(t, c.Contains(1))
		assert.False(t, c.Contains(3))
		_, ok = c.TTL(1)
		assert.True(t, ok)
		assert.Equal(t, before, c.Stats())
		assert.Equal(t, []int{1, 2}, keys(t, c), "no promotion")
		left, _ := c.TTL(1)
		assert.Equal(t, 59*time.Second, left, "no sliding")
	})
}

func TestGetOrSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Second, OnEvict: r.hook})
		value, loaded := c.GetOrSet(1, 10)
		assert.False(t, loaded)
		assert.Equal(t, 10, value)
		value, loaded = c.GetOrSet(1, 11)
		assert.True(t, loaded)
		assert.Equal(t, 10, value)
		assert.Empty(t, r.take())
		sleep(time.Second)
		value, loaded = c.GetOrSet(1, 12)
		assert.False(t, loaded, "expired")
		assert.Equal(t, 12, value)
		assert.Equal(t, []event{{1, 10, Expired}}, r.take())
		assert.Equal(t, Stats{Hits: 1, Misses: 2, Inserts: 2, Expirations: 1}, c.Stats())
		validate(t, c)
	})
}

func TestDelete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Second, CleanupInterval: time.Hour, OnEvict: r.hook})
		_, ok := c.Delete(1)
		assert.False(t, ok)
		c.Set(1, 10)
		value, ok := c.Delete(1)
		assert.True(t, ok)
		assert.Equal(t, 10, value)
		c.Set(1, 11)
		stopTimer(c) // nobody but Delete removes it
		sleep(time.Second)
		value, ok = c.Delete(1)
		assert.False(t, ok, "it had expired")
		assert.Zero(t, value)
		assert.Equal(t, []event{{1, 10, Deleted}, {1, 11, Expired}}, r.take())
		assert.Equal(t, Stats{Inserts: 2, Deletes: 1, Expirations: 1}, c.Stats())
	})
}

func TestClear(t *testing.T) {
	for _, hooked := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			var r recorder
			cfg := Config[int, int]{Capacity: 9, TTL: time.Minute, NegativeTTL: time.Hour, StaleIfError: time.Hour}
			if hooked {
				cfg.OnEvict = r.hook
			}
			c := mustNew(t, cfg)
			c.SetTTL(1, 10, time.Second)
			c.Set(2, 20)
			c.SetTTL(3, 30, NoExpiry)
			_, err := c.GetOrLoad(t.Context(), 4, func(context.Context, int) (int, error) { return 0, ErrNotFound })
			require.ErrorIs(t, err, ErrNotFound)
			sleep(time.Second) // 1 is stale now
			c.Clear()
			if hooked {
				assert.Equal(t, []event{{1, 10, Expired}, {2, 20, Deleted}, {3, 30, Deleted}}, r.take())
			}
			assert.Zero(t, held(c))
			assert.Empty(t, keys(t, c))
			stats := c.Stats()
			assert.Equal(t, uint64(2), stats.Deletes)
			assert.Equal(t, uint64(1), stats.Expirations)
			assert.Equal(t, never, alarmAt(c), "nothing can expire")
			c.Set(1, 1)
			assert.Equal(t, []int{1}, keys(t, c))
		})
	}
}

func TestResize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 6, TTL: NoExpiry, OnEvict: r.hook})
		for k := range 6 {
			c.Set(k, k)
		}
		c.SetTTL(5, 5, time.Second)
		r.take()
		stopTimer(c) // nobody but Resize removes it
		sleep(time.Second)
		evicted, err := c.Resize(3)
		require.NoError(t, err)
		assert.Equal(t, 2, evicted, "the expired one has made room")
		assert.Equal(t, []event{{5, 5, Expired}, {0, 0, Evicted}, {1, 1, Evicted}}, r.take())
		assert.Equal(t, []int{2, 3, 4}, keys(t, c))
		evicted, err = c.Resize(100)
		require.NoError(t, err)
		assert.Zero(t, evicted)
		assert.Equal(t, 100, c.Cap())
		assert.Equal(t, []int{2, 3, 4}, keys(t, c))
	})
}

func TestIteration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 10, TTL: time.Second})
		for k := range 5 {
			c.Set(k, 10*k)
		}
		var order []int
		for k, v := range c.All() { // jellydator/ttlcache's Range ends when the body deletes
			assert.Equal(t, 10*k, v)
			c.Delete(k)
			c.Set(100+k, 0)
			order = append(order, k)
		}
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
		all := c.Backward()
		for range 2 { // it can be ranged over again
			order = order[:0]
			for k := range all {
				order = append(order, k)
				if len(order) == 2 {
					break
				}
			}
			assert.Equal(t, []int{104, 103}, order)
		}
		for range c.Keys() {
			break
		}
		for range c.Values() {
			break
		}
		sleep(time.Second)
		assert.Empty(t, maps.Collect(c.All()), "a second range sees the state of its own start")
	})
}

func TestKeysThatAreNotEqualToThemselves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[float64, int]{Capacity: 3, TTL: time.Second, NegativeTTL: time.Hour})
		loads := 0
		load := func(context.Context, float64) (int, error) { loads++; return loads, nil }
		for range 10 {
			c.Set(math.NaN(), 1)
			_, err := c.GetOrLoad(t.Context(), math.NaN(), load)
			require.NoError(t, err)
			_, err = c.GetOrLoad(t.Context(), math.NaN(), func(context.Context, float64) (int, error) { return 0, ErrNotFound })
			require.ErrorIs(t, err, ErrNotFound)
		}
		assert.Equal(t, 10, loads, "they never share a load")
		assert.Equal(t, 3, c.Len())
		assert.False(t, c.Contains(math.NaN()))
		assert.Empty(t, c.store.flights, "nothing that could never be found again")
		assert.Zero(t, absences(c))
		sleep(2 * time.Second)
		assert.Zero(t, held(c))
		c.Set(0, 1)
		assert.True(t, c.Contains(math.Copysign(0, -1)), "equal by ==")
	})
}

func TestUnhashableKeyPanicsBeforeAnything(t *testing.T) {
	c := mustNew(t, Config[any, int]{Capacity: 3, TTL: NoExpiry})
	load := func(context.Context, any) (int, error) { return 0, nil }
	for _, call := range []func(){
		func() { c.Set([]int{}, 1) },
		func() { c.Get([]int{}) },
		func() { c.Delete([]int{}) },
		func() { _, _ = c.GetOrLoad(t.Context(), []int{}, load) },
	} {
		assert.Panics(t, call)
	}
	c.Set("a", 1)
	assert.Equal(t, []any{"a"}, keys(t, c))
	assert.Zero(t, c.Stats().Loads)
}

func TestWeights(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{
			Capacity: 10, TTL: time.Minute, MaxWeight: 10, OnEvict: r.hook, StaleIfError: time.Second,
			Weigh: func(_, value int) int64 { return int64(value) },
		})
		c.SetTTL(1, 4, time.Second)
		c.Set(2, 5)
		assert.False(t, c.Set(3, 11))
		assert.False(t, c.Set(2, -1), "refused: what was there is out of date")
		assert.Equal(t, []event{{3, 11, Rejected}, {2, 5, Deleted}, {2, -1, Rejected}}, r.take())
		actual, loaded := c.GetOrSet(4, 11)
		assert.False(t, loaded)
		assert.Equal(t, 11, actual)
		assert.Equal(t, []event{{4, 11, Rejected}}, r.take())
		sleep(time.Second)
		assert.Equal(t, int64(4), c.Weight(), "stale values are held")
		assert.Zero(t, c.Len())
		c.Set(5, 6)
		c.Set(6, 3) // 13: the stale one is the least recent
		assert.Equal(t, []event{{1, 4, Expired}}, r.take())
		c.Set(6, 10) // alone, it fits
		assert.Equal(t, []event{{6, 3, Replaced}, {5, 6, Evicted}}, r.take())
		assert.Equal(t, int64(10), c.Weight())
		synctest.Wait()
		validate(t, c)
	})
}

func TestWeightSumsDoNotOverflow(t *testing.T) {
	c := mustNew(t, Config[int, int64]{
		Capacity: 10, TTL: NoExpiry, MaxWeight: math.MaxInt64, Weigh: func(_ int, v int64) int64 { return v },
	})
	for k := range 10 {
		assert.True(t, c.Set(k, math.MaxInt64-int64(k%2)))
		validate(t, c)
		assert.Equal(t, 1, c.Len())
	}
}

func TestWeighMayUseTheCacheAndPanic(t *testing.T) {
	var c *Cache[int, int]
	fail := false
	c = mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Hour, MaxWeight: 10, Weigh: func(int, int) int64 {
		c.Len()
		if fail {
			panic("weigh")
		}
		return 1
	}})
	c.Set(1, 1)
	fail = true
	assert.PanicsWithValue(t, "weigh", func() { c.Set(1, 2) })
	assert.PanicsWithValue(t, "weigh", func() { c.GetOrSet(2, 2) })
	value, _ := c.Peek(1)
	assert.Equal(t, 1, value, "nothing has changed")
	_, err := c.GetOrLoad(t.Context(), 3, func(context.Context, int) (int, error) { return 3, nil })
	var failure *PanicError
	require.ErrorAs(t, err, &failure, "in a load it counts as one of the loader")
	assert.Equal(t, "weigh", failure.Value)
	fail = false
	assert.Equal(t, []int{1}, keys(t, c))
	c.Clear()
}

func TestReasonString(t *testing.T) {
	for reason, want := range map[Reason]string{
		Evicted: "evicted", Replaced: "replaced", Deleted: "deleted", Expired: "expired", Rejected: "rejected",
		0: "unknown", 99: "unknown",
	} {
		assert.Equal(t, want, reason.String())
	}
}

func TestPanicError(t *testing.T) {
	cause := errors.New("boom")
	err := &PanicError{Value: cause, Stack: []byte("stack")}
	assert.Contains(t, err.Error(), "ttlcache: loader panicked: boom")
	require.ErrorIs(t, err, cause)
	assert.NoError(t, (&PanicError{Value: 1}).Unwrap())
}
