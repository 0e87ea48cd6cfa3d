package slidingwindow

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// event is something that was counted, at nanoseconds on the axis of the window.
type event struct {
	at, n int64
	key   int
}

// raw is the model of all time windows: the events themselves, and the definition of the window.
type raw struct {
	width, buckets int64
	eventTime      bool
	maxAhead       time.Duration
	base           time.Time
	events         []event
	born           int64  // clock: time of New or Reset
	first, newest  *event // in event time: of those that were accepted
	stats          Stats
}

func floorDiv(a, b int64) int64 { return (a - ((a%b)+b)%b) / b }

func (m *raw) now() int64 { return int64(time.Since(m.base)) }

// accept judges an event; what it accepts is in m.events.
func (m *raw) accept(t time.Time, key int, n int64) {
	switch {
	case n < 0:
		m.stats.Ignored++
	case n == 0:
	case m.eventTime:
		m.acceptEvent(event{t.UnixNano(), n, key})
	default:
		at := min(int64(t.Sub(m.base)), m.now())
		if floorDiv(at, m.width) <= floorDiv(m.now(), m.width)-m.buckets {
			m.stats.Late++
			return
		}
		m.events = append(m.events, event{at, n, key})
	}
}

func (m *raw) acceptEvent(e event) {
	moves := m.newest == nil || floorDiv(e.at, m.width) > floorDiv(m.newest.at, m.width)
	switch {
	case moves && e.at-time.Now().UnixNano() > int64(m.maxAhead):
		m.stats.Early++
	case !moves && floorDiv(e.at, m.width) <= floorDiv(m.newest.at, m.width)-m.buckets:
		m.stats.Late++
	default:
		if m.first == nil {
			m.first, m.newest = &e, &e
		}
		if e.at > m.newest.at {
			m.newest = &e
		}
		m.events = append(m.events, e)
	}
}

// end is now on the axis; false in event time before the first event.
func (m *raw) end() (int64, bool) {
	if !m.eventTime {
		return m.now(), true
	}
	if m.newest == nil {
		return 0, false
	}
	return m.newest.at, true
}

// window sums up the events of each bucket, oldest first.
func (m *raw) window(keep func(event) bool) []int64 {
	end, ok := m.end()
	if !ok {
		return nil
	}
	sums := make([]int64, m.buckets)
	for _, e := range m.events {
		age := floorDiv(end, m.width) - floorDiv(e.at, m.width)
		if age < m.buckets && keep(e) {
			sums[m.buckets-1-age] += e.n
		}
	}
	return sums
}

func total(ns []int64) (sum int64) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

func (m *raw) sum() int64 { return total(m.window(func(event) bool { return true })) }

func (m *raw) sumOf(key int) int64 {
	return total(m.window(func(e event) bool { return e.key == key }))
}

// rate is the definition of Rate.
func (m *raw) rate() float64 {
	end, ok := m.end()
	if !ok {
		return 0
	}
	age := end - m.born
	if m.eventTime {
		age = end - floorDiv(m.first.at, m.width)*m.width
	}
	covered := max(m.width, min(age, (m.buckets-1)*m.width+end-floorDiv(end, m.width)*m.width))
	return float64(m.sum()) / (float64(covered) / 1e9)
}

func (m *raw) reset() {
	m.events, m.first, m.newest, m.born = nil, nil, nil, m.now()
}

// keys of the model, which are outcomes too.
const modelKeys = 6

// machine drives a Counter, Counters and a TopK with the same events.
type machine struct {
	raw
	capacity int
	counter  *Counter
	counters *Counters
	top      *TopK[int]
}

func newMachine(t *rapid.T) *machine {
	c := CounterConfig{
		Buckets:   rapid.IntRange(1, 7).Draw(t, "buckets"),
		EventTime: rapid.Bool().Draw(t, "event time"),
		MaxAhead:  time.Duration(rapid.Int64Range(0, 300).Draw(t, "ahead")),
	}
	c.Window = time.Duration(int64(c.Buckets) * rapid.Int64Range(1, 40).Draw(t, "width"))
	m := &machine{capacity: rapid.IntRange(1, modelKeys+1).Draw(t, "capacity")}
	m.raw = raw{width: int64(c.Window) / int64(c.Buckets), buckets: int64(c.Buckets), eventTime: c.EventTime, maxAhead: c.MaxAhead, base: time.Now()}
	if m.maxAhead == 0 {
		m.maxAhead = time.Minute
	}
	var err error
	m.counter, err = NewCounter(c)
	require.NoError(t, err)
	m.counters, err = NewCounters(CountersConfig{Window: c.Window, Buckets: c.Buckets, EventTime: c.EventTime, MaxAhead: c.MaxAhead, Outcomes: modelKeys})
	require.NoError(t, err)
	m.top, err = NewTopK[int](TopKConfig{Window: c.Window, Buckets: c.Buckets, EventTime: c.EventTime, MaxAhead: c.MaxAhead, Capacity: m.capacity})
	require.NoError(t, err)
	return m
}

// span draws a duration that is often a whole number of buckets or windows, or a nanosecond beside.
func (m *machine) span(t *rapid.T) time.Duration {
	unit := rapid.SampledFrom([]int64{1, m.width, m.width * m.buckets}).Draw(t, "unit")
	return time.Duration(max(0, rapid.Int64Range(0, 3).Draw(t, "units")*unit+rapid.Int64Range(-1, 1).Draw(t, "beside")))
}

func (m *machine) sleep(t *rapid.T) { time.Sleep(m.span(t)) }

func (m *machine) draw(t *rapid.T) (key int, n int64) {
	return rapid.IntRange(0, modelKeys-1).Draw(t, "key"), rapid.Int64Range(-1, 5).Draw(t, "n")
}

func (m *machine) add(t *rapid.T) {
	key, n := m.draw(t)
	m.accept(time.Now(), key, n)
	m.counter.Add(n)
	m.counters.Add(key, n)
	m.top.Add(key, n)
}

func (m *machine) addAt(t *rapid.T) {
	key, n := m.draw(t)
	after, before := m.span(t), m.span(t)
	at := time.Now().Add(after - before)
	if m.newest != nil && rapid.Bool().Draw(t, "beside the newest") {
		at = time.Unix(0, m.newest.at).Add(after - before)
	}
	m.accept(at, key, n)
	m.counter.AddAt(at, n)
	m.counters.AddAt(at, key, n)
	m.top.AddAt(at, key, n)
}

func (m *machine) resetAll(*rapid.T) {
	m.reset()
	m.counter.Reset()
	m.counters.Reset()
	m.top.Reset()
}

// check compares everything that can be read.
func (m *machine) check(t *rapid.T) {
	want := m.window(func(event) bool { return true })
	starts, got := sums(m.counter)
	require.Equal(t, want, got)
	for i := 1; i < len(starts); i++ {
		require.Equal(t, time.Duration(m.width), starts[i].Sub(starts[i-1]))
	}
	require.Equal(t, m.sum(), m.counter.Sum())
	require.InDelta(t, m.rate(), m.counter.Rate(), 1e-6*m.rate())
	outcomes := m.counters.Sums(nil)
	exact := truth{}
	for key := range modelKeys {
		exact[key] = m.sumOf(key)
		require.Equal(t, exact[key], outcomes[key])
		require.Equal(t, exact[key], m.counters.Sum(key))
	}
	checkBounds(t, m.top, exact, m.sum(), m.capacity, modelKeys)
	if m.capacity >= modelKeys {
		for key := range modelKeys {
			require.Equal(t, Entry[int]{key, exact[key], 0}, m.top.Get(key))
		}
	}
	require.Equal(t, m.stats, m.counter.Stats())
	require.Equal(t, m.stats, m.counters.Stats())
	require.Equal(t, m.stats, m.top.Stats())
}

// TestModel runs random events, at random times, on each time window and on the list of raw events.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newMachine(t)
			t.Repeat(map[string]func(*rapid.T){
				"sleep": m.sleep,
				"Add":   m.add,
				"AddAt": m.addAt,
				"Reset": m.resetAll,
				"":      m.check,
			})
		})
	})
}

// TestModelOfCountWindows does the same for the last n values: a slice of them.
func TestModelOfCountWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 20).Draw(t, "size")
		var values []string
		lite, _ := NewFold(FoldConfig[string]{Size: size, Combine: concat})
		worst, _ := NewFold(FoldConfig[string]{Size: size, Combine: concat, WorstCase: true})
		most, _ := NewMax[string](size)
		var pushed []string
		t.Repeat(map[string]func(*rapid.T){
			"Push": func(t *rapid.T) {
				v := rapid.SampledFrom([]string{"a", "b", "cc", "z"}).Draw(t, "v")
				pushed = append(pushed, v)
				values = append(values, v)
				values = values[max(0, len(values)-size):]
				require.Equal(t, strings.Join(values, ""), lite.Push(v))
				require.Equal(t, strings.Join(values, ""), worst.Push(v))
				require.Equal(t, slices.Max(window(pushed, len(pushed), size)), most.Push(v))
			},
			"Pop": func(t *rapid.T) {
				require.Equal(t, len(values) > 0, lite.Pop())
				require.Equal(t, len(values) > 0, worst.Pop())
				values = values[min(1, len(values)):]
			},
			"Reset": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					lite.Reset()
					worst.Reset()
					most.Reset()
					values, pushed = nil, nil
				}
			},
			"": func(t *rapid.T) {
				for _, f := range []*Fold[string]{lite, worst} {
					got, ok := f.Value()
					require.Equal(t, len(values) > 0, ok)
					require.Equal(t, strings.Join(values, ""), got)
					require.Equal(t, len(values), f.Len())
				}
				require.NoError(t, worst.daba.validate())
			},
		})
	})
}
