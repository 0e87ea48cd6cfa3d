package lru

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the specification in its simplest form: a slice of entries, the least recent first, and a log of departures.
type model struct {
	capacity  int
	maxWeight int64 // 0: no weights
	entries   []modelEntry
	stats     Stats
	log       []event
}

type modelEntry struct {
	key, value int
	weight     int64
}

type event struct {
	key, value int
	reason     Reason
}

func (m *model) find(key int) int {
	return slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.key == key })
}

// take removes entry i and returns it.
func (m *model) take(i int) modelEntry {
	e := m.entries[i]
	m.entries = slices.Delete(m.entries, i, i+1)
	return e
}

func (m *model) leave(i int, reason Reason) modelEntry {
	e := m.take(i)
	m.log = append(m.log, event{e.key, e.value, reason})
	if reason == Evicted {
		m.stats.Evictions++
	}
	if reason == Deleted {
		m.stats.Deletes++
	}
	return e
}

func (m *model) get(key int) (int, bool) {
	i := m.find(key)
	if i < 0 {
		m.stats.Misses++
		return 0, false
	}
	m.stats.Hits++
	m.entries = append(m.entries, m.take(i))
	return m.entries[len(m.entries)-1].value, true
}

func (m *model) set(e modelEntry) bool {
	i := m.find(e.key)
	if m.maxWeight != 0 && (e.weight < 0 || e.weight > m.maxWeight) {
		if i >= 0 {
			m.leave(i, Deleted)
		}
		m.stats.Rejected++
		m.log = append(m.log, event{e.key, e.value, Rejected})
		return false
	}
	if i >= 0 {
		m.leave(i, Replaced)
		m.stats.Updates++
	} else {
		m.stats.Inserts++
	}
	m.entries = append(m.entries, e)
	m.trim()
	return true
}

func (m *model) trim() (evicted int) {
	for len(m.entries) > m.capacity || (m.maxWeight != 0 && m.heavy()) {
		m.leave(0, Evicted)
		evicted++
	}
	return evicted
}

func (m *model) heavy() bool {
	sum := uint64(0) // at most two weights of MaxInt64 more than the bound: no overflow in the few entries of a test
	for _, e := range m.entries {
		sum += uint64(e.weight)
		if sum > uint64(m.maxWeight) {
			return true
		}
	}
	return false
}

func (m *model) getOrSet(e modelEntry) (int, bool) {
	if m.find(e.key) >= 0 {
		return m.get(e.key)
	}
	m.stats.Misses++
	m.set(e)
	return e.value, false
}

// TestModel drives the cache and the model with the same calls and compares every result, every departure and its order,
// and the whole state after each step.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkModel(t, rapid.SampledFrom([]int{0, 2, 8}).Draw(t, "shards"), false) })
}

func TestModelWithWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkModel(t, 0, true) })
}

// machine is a cache beside its model.
type machine struct {
	cache  *Cache[int, int]
	model  *model
	log    []event
	next   int   // values are unique, so that each can be followed
	weight int64 // what Weigh returns for the value of this call
}

func newMachine(t *rapid.T, shards int, weights bool) *machine {
	m := &machine{model: &model{capacity: rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(100, 300)).Draw(t, "capacity")}}
	cfg := Config[int, int]{Capacity: m.model.capacity, Shards: shards}
	cfg.OnEvict = func(key, value int, reason Reason) { m.log = append(m.log, event{key, value, reason}) }
	if weights {
		m.model.maxWeight = rapid.SampledFrom([]int64{1, 2, 10, 100, math.MaxInt64}).Draw(t, "max weight")
		cfg.MaxWeight = m.model.maxWeight
		cfg.Weigh = func(int, int) int64 { return m.weight }
	}
	var err error
	m.cache, err = New(cfg)
	require.NoError(t, err)
	return m
}

func (m *machine) entry(t *rapid.T) modelEntry {
	m.next++
	e := modelEntry{key: rapid.IntRange(0, 20).Draw(t, "key"), value: m.next}
	if m.model.maxWeight != 0 {
		e.weight = rapid.OneOf(
			rapid.Int64Range(0, min(m.model.maxWeight, 20)),
			rapid.SampledFrom([]int64{0, -1, math.MinInt64, math.MaxInt64, m.model.maxWeight, m.model.maxWeight/2 + 1}),
		).Draw(t, "weight")
		m.weight = e.weight
	}
	return e
}

func checkModel(t *rapid.T, shards int, weights bool) {
	m := newMachine(t, shards, weights)
	key := rapid.IntRange(0, 20)
	t.Repeat(map[string]func(*rapid.T){
		"Get": func(t *rapid.T) {
			k := key.Draw(t, "key")
			value, ok := m.cache.Get(k)
			wantValue, wantOK := m.model.get(k)
			require.Equal(t, wantOK, ok)
			require.Equal(t, wantValue, value)
		},
		"Peek": func(t *rapid.T) {
			k := key.Draw(t, "key")
			value, ok := m.cache.Peek(k)
			i := m.model.find(k)
			require.Equal(t, i >= 0, ok)
			require.Equal(t, ok, m.cache.Contains(k))
			if ok {
				require.Equal(t, m.model.entries[i].value, value)
			}
		},
		"Set": func(t *rapid.T) {
			e := m.entry(t)
			require.Equal(t, m.model.set(e), m.cache.Set(e.key, e.value))
		},
		"GetOrSet": func(t *rapid.T) {
			e := m.entry(t)
			wantValue, wantLoaded := m.model.getOrSet(e)
			value, loaded := m.cache.GetOrSet(e.key, e.value)
			require.Equal(t, wantLoaded, loaded)
			require.Equal(t, wantValue, value)
		},
		"Delete": func(t *rapid.T) {
			k := key.Draw(t, "key")
			value, ok := m.cache.Delete(k)
			i := m.model.find(k)
			require.Equal(t, i >= 0, ok)
			if ok {
				require.Equal(t, m.model.leave(i, Deleted).value, value)
			}
		},
		"Oldest": func(t *rapid.T) {
			k, value, ok := m.cache.Oldest()
			require.Equal(t, len(m.model.entries) > 0, ok)
			if ok {
				require.Equal(t, m.model.entries[0].key, k)
				require.Equal(t, m.model.entries[0].value, value)
			}
		},
		"DeleteOldest": func(t *rapid.T) {
			k, value, ok := m.cache.DeleteOldest()
			require.Equal(t, len(m.model.entries) > 0, ok)
			if ok {
				e := m.model.leave(0, Deleted)
				require.Equal(t, e.key, k)
				require.Equal(t, e.value, value)
			}
		},
		"Resize": func(t *rapid.T) {
			capacity := rapid.OneOf(rapid.IntRange(-1, 15), rapid.IntRange(100, 300)).Draw(t, "capacity")
			evicted, err := m.cache.Resize(capacity)
			if capacity < 1 {
				require.ErrorIs(t, err, ErrConfig)
				return
			}
			require.NoError(t, err)
			m.model.capacity = capacity
			require.Equal(t, m.model.trim(), evicted)
		},
		"fill": func(t *rapid.T) {
			m.weight = 0
			for k := 100; k < rapid.IntRange(100, 500).Draw(t, "to"); k++ {
				m.next++
				require.Equal(t, m.model.set(modelEntry{key: k, value: m.next}), m.cache.Set(k, m.next))
			}
		},
		"drain": func(t *rapid.T) {
			for n := rapid.IntRange(0, len(m.model.entries)).Draw(t, "n"); n > 0; n-- {
				m.model.leave(0, Deleted)
				m.cache.DeleteOldest()
			}
		},
		"Clear": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "rare") > 0 {
				return
			}
			m.cache.Clear()
			for len(m.model.entries) > 0 {
				m.model.leave(0, Deleted)
			}
		},
		"": m.compare,
	})
}

func (m *machine) compare(t *rapid.T) {
	validate(t, m.cache)
	require.Equal(t, m.model.log, m.log, "departures")
	require.Equal(t, m.model.stats, m.cache.Stats())
	require.Equal(t, m.model.capacity, m.cache.Cap())
	require.Equal(t, len(m.model.entries), m.cache.Len())
	wantWeight, pairs := int64(0), []event{}
	for _, e := range m.model.entries {
		wantWeight += e.weight
		pairs = append(pairs, event{e.key, e.value, 0})
	}
	require.Equal(t, wantWeight, m.cache.Weight())
	got := []event{}
	for key, value := range m.cache.All() {
		got = append(got, event{key, value, 0})
	}
	require.Equal(t, pairs, got)
}

// A sequential program cannot tell how many shards it has.
func TestShardsDoNotShow(t *testing.T) {
	run := func(shards int) (trace []string) {
		cfg := Config[int, int]{Capacity: 50, Shards: shards}
		cfg.OnEvict = func(k, v int, r Reason) { trace = append(trace, fmt.Sprint(k, v, r)) }
		c := mustNew(t, cfg)
		rng := lcg(1)
		for n := range 20_000 {
			switch k := rng.next(120); rng.next(8) {
			case 0, 1, 2:
				v, ok := c.Get(k)
				trace = append(trace, fmt.Sprint(v, ok))
			case 3, 4:
				c.Set(k, n)
			case 5:
				v, ok := c.GetOrSet(k, n)
				trace = append(trace, fmt.Sprint(v, ok))
			case 6:
				c.Delete(k)
			default:
				if n%100 == 0 {
					_, err := c.Resize(20 + k)
					require.NoError(t, err)
				}
			}
		}
		return append(trace, fmt.Sprint(slices.Collect(c.Keys()), c.Stats()))
	}
	want := run(0)
	for _, shards := range []int{2, 16, 256} {
		require.Equal(t, want, run(shards), "shards %d", shards)
	}
}

// lcg is a small deterministic generator.
type lcg uint64

func (g *lcg) next(n int) int {
	*g = *g*6364136223846793005 + 1442695040888963407
	return int(uint64(*g) >> 33 % uint64(n))
}
