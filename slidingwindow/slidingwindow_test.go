package slidingwindow

import (
	"cmp"
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newMax[T cmp.Ordered](tb testing.TB, size int) *Extremum[T] {
	tb.Helper()
	x, err := NewMax[T](size)
	require.NoError(tb, err)
	return x
}

func newMin[T cmp.Ordered](tb testing.TB, size int) *Extremum[T] {
	tb.Helper()
	x, err := NewMin[T](size)
	require.NoError(tb, err)
	return x
}

func newFold[T any](tb testing.TB, config FoldConfig[T]) *Fold[T] {
	tb.Helper()
	f, err := NewFold(config)
	require.NoError(tb, err)
	return f
}

func newCounter(tb testing.TB, config CounterConfig) *Counter {
	tb.Helper()
	c, err := NewCounter(config)
	require.NoError(tb, err)
	return c
}

func newCounters(tb testing.TB, config CountersConfig) *Counters {
	tb.Helper()
	c, err := NewCounters(config)
	require.NoError(tb, err)
	return c
}

func newTopK[K comparable](tb testing.TB, config TopKConfig) *TopK[K] {
	tb.Helper()
	k, err := NewTopK[K](config)
	require.NoError(tb, err)
	return k
}

func sum(older, newer int) int { return older + newer }

func concat(older, newer string) string { return older + newer }

func TestCountWindowsReject(t *testing.T) {
	for _, size := range []int{0, -1, math.MinInt} {
		x, err := NewMax[int](size)
		assert.Nil(t, x)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "slidingwindow: invalid config: size must be at least 1, got ")
		_, err = NewMin[string](size)
		require.ErrorIs(t, err, ErrConfig)
		f, err := NewFold(FoldConfig[int]{Size: size, Combine: sum})
		assert.Nil(t, f)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "slidingwindow: invalid config: Size must be at least 1, got ")
	}
	for _, worst := range []bool{false, true} {
		_, err := NewFold(FoldConfig[int]{Size: 1, WorstCase: worst})
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "slidingwindow: invalid config: Combine must not be nil")
	}
}

// What all time windows check alike.
func TestTimeWindowsReject(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    CounterConfig
		want string
	}{
		{"nothing set", CounterConfig{}, "Window must be at least 1ns, got 0s"},
		{"negative window", CounterConfig{Window: -1}, "Window must be at least 1ns, got -1ns"},
		{"smallest window", CounterConfig{Window: math.MinInt64}, "Window must be at least 1ns, got -2562047h47m16.854775808s"},
		{"window above the limit", CounterConfig{Window: 1<<62 + 1}, "Window must be at most 1<<62 ns, got 1281023h53m38.427387905s"},
		{"largest window", CounterConfig{Window: math.MaxInt64}, "Window must be at most 1<<62 ns, got 2562047h47m16.854775807s"},
		{"negative buckets", CounterConfig{Window: time.Second, Buckets: -1}, "Buckets must be 1 to 1048576, or 0 for 10, got -1"},
		{"buckets above the limit", CounterConfig{Window: 1<<20 + 1, Buckets: 1<<20 + 1}, "Buckets must be 1 to 1048576, or 0 for 10, got 1048577"},
		{"buckets do not divide", CounterConfig{Window: 100, Buckets: 3}, "Buckets must cut Window into whole nanoseconds, got 3 for 100ns"},
		{"default buckets do not divide", CounterConfig{Window: 15}, "Buckets must cut Window into whole nanoseconds, got 10 for 15ns"},
		{"more buckets than nanoseconds", CounterConfig{Window: 9}, "Buckets must cut Window into whole nanoseconds, got 10 for 9ns"},
		{"negative ahead", CounterConfig{Window: time.Second, MaxAhead: -1}, "MaxAhead must not be negative, got -1ns"},
		{"negative ahead in event time", CounterConfig{Window: time.Second, MaxAhead: math.MinInt64, EventTime: true}, "MaxAhead must not be negative, got -2562047h47m16.854775808s"},
	} {
		c, err := NewCounter(tt.c)
		assert.Nil(t, c, tt.name)
		require.ErrorIs(t, err, ErrConfig, tt.name)
		require.EqualError(t, err, "slidingwindow: invalid config: "+tt.want, tt.name)
		cs, err := NewCounters(CountersConfig{Window: tt.c.Window, Buckets: tt.c.Buckets, EventTime: tt.c.EventTime, MaxAhead: tt.c.MaxAhead, Outcomes: 1})
		assert.Nil(t, cs, tt.name)
		require.EqualError(t, err, "slidingwindow: invalid config: "+tt.want, tt.name)
		require.ErrorIs(t, err, ErrConfig, tt.name)
		k, err := NewTopK[int](TopKConfig{Window: tt.c.Window, Buckets: tt.c.Buckets, EventTime: tt.c.EventTime, MaxAhead: tt.c.MaxAhead})
		assert.Nil(t, k, tt.name)
		require.EqualError(t, err, "slidingwindow: invalid config: "+tt.want, tt.name)
		require.ErrorIs(t, err, ErrConfig, tt.name)
	}
	for _, outcomes := range []int{0, -1, 65, math.MaxInt, math.MinInt} {
		_, err := NewCounters(CountersConfig{Window: time.Second, Outcomes: outcomes})
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "slidingwindow: invalid config: Outcomes must be 1 to 64, got ")
	}
	for _, capacity := range []int{-1, 1<<20 + 1, math.MaxInt, math.MinInt} {
		_, err := NewTopK[int](TopKConfig{Window: time.Second, Capacity: capacity})
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "slidingwindow: invalid config: Capacity must be 1 to 1048576, or 0 for 1024, got ")
	}
}

func TestConstructorsAcceptTheEdges(t *testing.T) {
	for _, c := range []CounterConfig{
		{Window: 1, Buckets: 1},
		{Window: 10},
		{Window: 1 << 62, Buckets: 1},
		{Window: 1 << 62, Buckets: 1 << 20},
		{Window: 1 << 62, Buckets: 1, EventTime: true, MaxAhead: math.MaxInt64},
		{Window: time.Second, MaxAhead: time.Second},
	} {
		counter := newCounter(t, c)
		counter.Add(3)
		if c.Window > time.Hour {
			assert.Equal(t, int64(3), counter.Sum())
		}
	}
	assert.Equal(t, int64(10), newCounter(t, CounterConfig{Window: time.Second}).ring.buckets, "0 means 10")
	assert.Equal(t, time.Minute, newCounter(t, CounterConfig{Window: time.Second}).ring.maxAhead, "0 means a minute")
	assert.Equal(t, 1024, newTopK[int](t, TopKConfig{Window: time.Second}).capacity, "0 means 1024")
	newCounters(t, CountersConfig{Window: time.Second, Outcomes: 64})
	newTopK[int](t, TopKConfig{Window: time.Second, Capacity: 1 << 20}).Add(1, 1)
	assert.Equal(t, 5, newMax[int](t, math.MaxInt).Push(5))
	assert.Equal(t, 5, newFold(t, FoldConfig[int]{Size: math.MaxInt, Combine: sum}).Push(5))
	assert.Equal(t, 5, newFold(t, FoldConfig[int]{Size: math.MaxInt, Combine: sum, WorstCase: true}).Push(5))
}

func TestNilAndZeroPanic(t *testing.T) {
	count := map[string]func(x *Extremum[int], f *Fold[int]){
		"Push":  func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Push(1) }, func() { f.Push(1) }) },
		"Pop":   func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Push(1) }, func() { f.Pop() }) },
		"Value": func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Value() }, func() { f.Value() }) },
		"Len":   func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Len() }, func() { f.Len() }) },
		"Cap":   func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Cap() }, func() { f.Cap() }) },
		"Reset": func(x *Extremum[int], f *Fold[int]) { half(x, func() { x.Reset() }, func() { f.Reset() }) },
	}
	for name, call := range count {
		assert.PanicsWithValue(t, "slidingwindow: Extremum not made by NewMax or NewMin", func() { call(new(Extremum[int]), nil) }, name)
		assert.PanicsWithValue(t, "slidingwindow: Fold not made by NewFold", func() { call(nil, new(Fold[int])) }, name)
	}
	assert.Panics(t, func() { (*Extremum[int])(nil).Push(1) })
	assert.Panics(t, func() { (*Fold[int])(nil).Push(1) })
	for name, call := range map[string]func(c *Counter){
		"Add": func(c *Counter) { c.Add(0) }, "AddAt": func(c *Counter) { c.AddAt(time.Time{}, 0) },
		"Sum": func(c *Counter) { c.Sum() }, "Rate": func(c *Counter) { c.Rate() }, "All": func(c *Counter) { c.All() },
		"Reset": func(c *Counter) { c.Reset() }, "Stats": func(c *Counter) { c.Stats() },
	} {
		assert.PanicsWithValue(t, notMade, func() { call(new(Counter)) }, name)
		assert.Panics(t, func() { call(nil) }, name)
	}
	for name, call := range map[string]func(c *Counters){
		"Add": func(c *Counters) { c.Add(0, 0) }, "AddAt": func(c *Counters) { c.AddAt(time.Time{}, -1, 0) },
		"Sum": func(c *Counters) { c.Sum(0) }, "Sums": func(c *Counters) { c.Sums(nil) },
		"Reset": func(c *Counters) { c.Reset() }, "Stats": func(c *Counters) { c.Stats() },
	} {
		assert.PanicsWithValue(t, notMade, func() { call(new(Counters)) }, name)
		assert.Panics(t, func() { call(nil) }, name)
	}
	for name, call := range map[string]func(k *TopK[int]){
		"Add": func(k *TopK[int]) { k.Add(1, 0) }, "AddAt": func(k *TopK[int]) { k.AddAt(time.Time{}, 1, 0) },
		"Get": func(k *TopK[int]) { k.Get(1) }, "Top": func(k *TopK[int]) { k.Top(-1) }, "Total": func(k *TopK[int]) { k.Total() },
		"Len": func(k *TopK[int]) { k.Len() }, "Reset": func(k *TopK[int]) { k.Reset() }, "Stats": func(k *TopK[int]) { k.Stats() },
	} {
		assert.PanicsWithValue(t, "slidingwindow: TopK not made by NewTopK", func() { call(new(TopK[int])) }, name)
		assert.Panics(t, func() { call(nil) }, name)
	}
}

const notMade = "slidingwindow: Counter or Counters not made by NewCounter or NewCounters"

// half calls the one of the two that is asked for.
func half(x *Extremum[int], extremum, fold func()) {
	if x != nil {
		extremum()
		return
	}
	fold()
}

// go vet finds a copy of what has a Lock method.
func TestVetReportsCopies(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Extremum[int]](), reflect.TypeFor[Fold[int]]()} {
		mark, ok := typ.FieldByName("_")
		require.True(t, ok)
		assert.Implements(t, (*sync.Locker)(nil), reflect.New(mark.Type).Interface())
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[ring](), reflect.TypeFor[TopK[int]]()} {
		mu, ok := typ.FieldByName("mu")
		require.True(t, ok)
		assert.Equal(t, reflect.TypeFor[sync.Mutex](), mu.Type)
	}
}
