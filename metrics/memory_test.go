package metrics

import (
	"io"
	"math"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heap is what is allocated and reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// million is how many hostile keys come.
func million(tb testing.TB) int {
	tb.Helper()
	if testing.Short() || raceEnabled {
		return 50_000
	}
	return 1_000_000
}

// A million label sets through a Vec with room for a thousand.
func TestMemoryOfAMillionLabelSets(t *testing.T) {
	n := million(t) / 4 // four labels sets for each name
	for _, maxValues := range []int{0, 10} {
		v := must(NewVec[string, Counter](VecConfig{Labels: []string{"user"}, MaxSeries: 1000, MaxValues: maxValues}))
		for i := range 2000 {
			v.With(strconv.Itoa(i)).Inc()
		}
		before := heap()
		for i := range 2 * n {
			v.With(strconv.Itoa(i)).Inc()
		}
		assert.LessOrEqual(t, heap()-before, before/10)
		sum := uint64(0)
		for _, s := range v.list() {
			sum += s.member.Value()
		}
		assert.Equal(t, uint64(2*n+2000), sum, "no total is lost")
	}
}

func TestMemoryReturnsAfterClear(t *testing.T) {
	n := million(t)
	k := must(NewKeyed[int](KeyedConfig{MaxKeys: n}))
	before := heap()
	for i := range n {
		k.Inc(i)
	}
	perKey := float64(heap()-before) / float64(n)
	t.Logf("%.0f bytes a key", perKey)
	assert.LessOrEqual(t, perKey, 80.0)
	assert.Equal(t, n, k.Len())
	k.Clear()
	assert.LessOrEqual(t, heap()-before, before/10)
	runtime.KeepAlive(k)
}

func TestMemoryReturnsAfterDeletes(t *testing.T) {
	n := million(t) / 20
	k := must(NewKeyed[int](KeyedConfig{MaxKeys: n}))
	v := must(NewVec[[2]string, Counter](VecConfig{Labels: []string{"a", "b"}, MaxSeries: n}))
	before := heap()
	for i := range n {
		k.Inc(i)
		v.With([2]string{strconv.Itoa(i), "x"}).Inc()
	}
	for i := range n {
		require.True(t, k.Delete(i))
		require.True(t, v.Delete([2]string{strconv.Itoa(i), "x"}))
	}
	assert.LessOrEqual(t, heap()-before, max(before/10, 256<<10))
	runtime.KeepAlive(k)
	runtime.KeepAlive(v)
}

func TestBytesPerSeries(t *testing.T) {
	assert.Equal(t, uintptr(16), unsafe.Sizeof(Counter{}))
	const n = 10_000
	sets := labelSets(n)
	v := must(NewVec[threeLabels, Counter](VecConfig{MaxSeries: n}))
	r := must(New(Config{}))
	require.NoError(t, r.Register("v_total", "h", v))
	before := heap()
	for _, set := range sets {
		v.With(set)
	}
	v.list()
	perSeries := float64(heap()-before) / n
	t.Logf("%.0f bytes a series", perSeries)
	assert.LessOrEqual(t, perSeries, 320.0)
	runtime.KeepAlive(v)
	runtime.KeepAlive(sets)
}

func TestBytesPerHistogram(t *testing.T) {
	const n = 100
	hs := make([]Histogram, n)
	before := heap()
	for i := range hs {
		for v := 0.001; v < 1; v *= 1.01 {
			hs[i].Observe(v)
		}
	}
	per := float64(heap()-before)/n + float64(unsafe.Sizeof(Histogram{}))
	t.Logf("%.0f bytes for three decades", per)
	assert.LessOrEqual(t, per, 8192.0)
	runtime.KeepAlive(hs)
}

func TestNoAllocations(t *testing.T) {
	var c Counter
	var g Gauge
	var h Histogram
	var v Vec[threeLabels, Counter]
	var strs Keyed[string]
	var anything Keyed[any]
	array := must(NewVec[[3]string, Histogram](VecConfig{Labels: []string{"a", "b", "c"}}))
	full := must(NewKeyed[int](KeyedConfig{MaxKeys: 1}))
	average := must(NewAverage(AverageConfig{}))
	slo := must(NewSLO(SLOConfig{Objective: 0.999}))
	r := must(New(Config{}))
	require.NoError(t, r.Register("v_total", "h", &v))
	require.NoError(t, r.Register("h", "h", &h))
	full.Inc(1)
	i := 0
	for name, op := range map[string]func(){
		"Counter.Inc": c.Inc, "Counter.Add": func() { c.Add(7) }, "Counter.Value": func() { c.Value() },
		"Gauge.Set": func() { g.Set(1) }, "Gauge.Add": func() { g.Add(1) }, "ignored": func() { g.Set(math.NaN()) },
		"Observe":             func() { h.Observe(0.3) },
		"With, a struct":      func() { v.With(threeLabels{"GET", "/", "200"}).Inc() },
		"With, an array":      func() { array.With([3]string{"GET", "/", "200"}).Observe(1) },
		"Keyed.Add, a string": func() { strs.Add("key", 2) },
		"Keyed.Add, any":      func() { anything.Inc("key") },
		"Keyed.Get":           func() { strs.Get("key") },
		"Keyed.Add, no room":  func() { i++; full.Inc(2 + i) },
		"Average.Observe":     func() { average.Observe(1) },
		"Average.Mean":        func() { average.Mean() },
		"SLO.Record":          func() { slo.Record(true) },
		"SLO.Budget":          func() { slo.Budget() },
	} {
		op()
		assert.Zero(t, testing.AllocsPerRun(100, op), name)
	}
	if raceEnabled {
		return // a sync.Pool forgets at random
	}
	page := testing.AllocsPerRun(100, func() { _ = r.WriteText(io.Discard) })
	assert.LessOrEqual(t, page, 3.0, "a page, whatever the number of series")
}

// A page costs no memory that grows with the number of series, but for its text.
func TestPageIsReused(t *testing.T) {
	r := must(New(Config{}))
	v := must(NewVec[threeLabels, Counter](VecConfig{MaxSeries: 5000}))
	for _, set := range labelSets(5000) {
		v.With(set)
	}
	require.NoError(t, r.Register("v_total", "h", v))
	for range 3 {
		require.Len(t, splitLines(textOf(t, r)), 5000+2)
	}
	if raceEnabled {
		return // a sync.Pool forgets at random
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(20, func() { _ = r.WriteText(io.Discard) }), 3.0)
}

func splitLines(page string) []string {
	var lines []string
	for start, i := 0, 0; i < len(page); i++ {
		if page[i] == '\n' {
			lines, start = append(lines, page[start:i]), i+1
		}
	}
	return lines
}
