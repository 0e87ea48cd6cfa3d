package ttlcache

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the cache as a slice, the least recent first. It decides everything but the moment at which an entry whose time
// is over is removed: that it learns from the hook, and checks.
type model struct {
	cfg     Config[int, int]
	entries []modelEntry
	now     int64
	log     []event
	stats   Stats
}

type modelEntry struct {
	key, value int
	deadline   int64
	life       time.Duration
	weight     int64
	absent     bool
}

func (m *model) find(key int) int {
	return slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.key == key })
}

func (m *model) live(i int) bool {
	return i >= 0 && !m.entries[i].absent && m.now < m.entries[i].deadline
}

// over is the instant from which on nobody may have the entry.
func (m *model) over(e modelEntry) int64 {
	if e.absent {
		return e.deadline
	}
	return after(e.deadline, max(m.cfg.StaleIfError, m.cfg.StaleWhileRevalidate))
}

func (m *model) weight() (sum int64) {
	for _, e := range m.entries {
		sum += e.weight
	}
	return sum
}

func (m *model) promote(i int) int {
	e := m.entries[i]
	m.entries = append(slices.Delete(m.entries, i, i+1), e)
	return len(m.entries) - 1
}

func (m *model) hit(i int) int {
	m.stats.Hits++
	i = m.promote(i)
	if e := &m.entries[i]; m.cfg.Sliding {
		e.deadline = after(m.now, e.life)
	}
	return m.entries[i].value
}

// leave removes entry i for the reason, or as expired if it has.
func (m *model) leave(i int, reason Reason) {
	e := m.entries[i]
	m.entries = slices.Delete(m.entries, i, i+1)
	if e.absent {
		return
	}
	if m.now >= e.deadline {
		reason = Expired
	}
	m.stats.count(reason)
	m.log = append(m.log, event{e.key, e.value, reason})
}

func (m *model) refused(e modelEntry) bool {
	return e.life <= 0 || m.cfg.Weigh != nil && (e.weight < 0 || e.weight > m.cfg.MaxWeight)
}

func (m *model) set(t require.TestingT, e modelEntry) bool {
	i := m.find(e.key)
	if m.refused(e) {
		if i >= 0 {
			m.leave(i, Deleted)
		}
		m.stats.Rejected++
		m.log = append(m.log, event{e.key, e.value, Rejected})
		return false
	}
	if !m.live(i) {
		m.stats.Inserts++
	}
	if i >= 0 {
		m.leave(i, Replaced)
	}
	m.insert(t, e)
	return true
}

func (m *model) insert(t require.TestingT, e modelEntry) {
	for len(m.entries) >= m.cfg.Capacity || m.cfg.Weigh != nil && m.weight()+e.weight > m.cfg.MaxWeight {
		over := func(e modelEntry) bool { return m.over(e) <= m.now }
		if i := slices.IndexFunc(m.entries, over); i >= 0 {
			require.True(t, m.entries[i].absent, "%+v should have made room", m.entries[i])
			m.entries = slices.Delete(m.entries, i, i+1)
			continue
		}
		m.leave(0, Evicted)
	}
	e.deadline = after(m.now, e.life)
	m.entries = append(m.entries, e)
}

// load is GetOrLoad with a loader that takes no time.
func (m *model) load(t require.TestingT, e modelEntry, fails error) (int, error) {
	i := m.find(e.key)
	switch {
	case m.live(i):
		return m.hit(i), nil
	case i >= 0 && m.entries[i].absent && m.now < m.entries[i].deadline:
		m.stats.Hits++
		m.promote(i)
		return 0, ErrNotFound
	case i >= 0 && !m.entries[i].absent && m.now < after(m.entries[i].deadline, m.cfg.StaleWhileRevalidate):
		m.stats.Stale++
		old := m.entries[m.promote(i)].value
		stale := m.stats.Stale
		m.finish(t, e, fails, false)
		m.stats.Stale = stale
		return old, nil
	}
	m.stats.Misses++
	return m.finish(t, e, fails, true)
}

func (m *model) finish(t require.TestingT, e modelEntry, fails error, waited bool) (int, error) {
	m.stats.Loads++
	i := m.find(e.key)
	if fails == nil {
		m.set(t, e)
		return e.value, nil
	}
	m.stats.LoadErrors++
	switch {
	case errors.Is(fails, ErrNotFound):
		if i >= 0 {
			m.leave(i, Expired)
		}
		if m.cfg.NegativeTTL > 0 {
			m.insert(t, modelEntry{key: e.key, life: m.cfg.NegativeTTL, absent: true})
		}
	case i >= 0 && !m.entries[i].absent && m.now < after(m.entries[i].deadline, m.cfg.StaleIfError):
		m.stats.Stale++
		if waited {
			i = m.promote(i)
		}
		return m.entries[i].value, nil
	}
	return 0, fails
}

// machine runs the cache beside the model.
type machine struct {
	model *model
	cache *Cache[int, int]
	told  []event
	next  int
}

func newMachine(cfg Config[int, int]) *machine {
	m := &machine{}
	cfg.OnEvict = func(k, v int, r Reason) { m.told = append(m.told, event{k, v, r}) }
	c, err := New(cfg)
	if err != nil {
		panic(err)
	}
	m.cache, m.model = c, &model{cfg: cfg}
	return m
}

// settle lets what runs in the background finish, and takes out of the model what has been removed because its time was
// over.
func (m *machine) settle(t require.TestingT) {
	synctest.Wait()
	m.model.now = m.cache.readClock()
	m.told = slices.DeleteFunc(m.told, func(e event) bool {
		i := m.model.find(e.key)
		if e.reason != Expired || i < 0 || m.model.entries[i].value != e.value || m.model.over(m.model.entries[i]) > m.model.now {
			return false
		}
		m.model.entries = slices.Delete(m.model.entries, i, i+1)
		m.model.stats.Expirations++
		return true
	})
	if len(m.told) == 0 {
		m.told = nil
	}
	interval := m.cache.store.alarm.interval
	for _, e := range m.model.entries {
		require.True(t, e.absent || after(m.model.over(e), interval) >= m.model.now, "%+v should have been removed", e)
	}
}

func (m *machine) compare(t require.TestingT) {
	validate(t, m.cache)
	require.Equal(t, m.model.log, m.told, "departures")
	m.model.log, m.told = nil, nil
	require.Equal(t, m.model.stats, m.cache.Stats())
	live, held := []event{}, []event{}
	for _, e := range m.model.entries {
		if !e.absent && e.deadline > m.model.now {
			live = append(live, event{e.key, e.value, 0})
		}
	}
	for k, v := range m.cache.All() {
		held = append(held, event{k, v, 0})
	}
	require.Equal(t, live, held)
	m.settle(t) // what All has removed
	require.Empty(t, m.told)
	require.Equal(t, len(live), m.cache.Len())
	require.Equal(t, m.model.weight(), m.cache.Weight())
}

// step makes one call on both. Numbers are small so that keys and times meet.
func (m *machine) step(t require.TestingT, call, key, number int) {
	m.next++
	lives := []time.Duration{
		time.Second, 1, 2, 3 * time.Millisecond, 100 * time.Millisecond, 5 * time.Second, time.Hour,
		365 * 24 * time.Hour, NoExpiry, NoExpiry - 1, 0, -1,
	}
	e := modelEntry{key: key, value: m.next, life: m.model.cfg.TTL}
	if m.model.cfg.Weigh != nil {
		e.weight = m.model.cfg.Weigh(key, e.value)
	}
	ttl := lives[number%len(lives)]
	switch call % 12 {
	case 0:
		stored := m.cache.Set(key, e.value)
		m.settle(t)
		require.Equal(t, m.model.set(t, e), stored)
	case 1, 2:
		e.life = ttl
		stored := m.cache.SetTTL(key, e.value, ttl)
		m.settle(t)
		require.Equal(t, m.model.set(t, e), stored)
	case 3:
		value, ok := m.cache.Get(key)
		m.settle(t)
		if i := m.model.find(key); m.model.live(i) {
			require.True(t, ok)
			require.Equal(t, m.model.hit(i), value)
			return
		}
		m.model.stats.Misses++
		require.False(t, ok)
	case 4:
		value, loaded := m.cache.GetOrSet(key, e.value)
		m.settle(t)
		if i := m.model.find(key); m.model.live(i) {
			require.True(t, loaded)
			require.Equal(t, m.model.hit(i), value)
			return
		}
		require.False(t, loaded)
		m.model.stats.Misses++
		if m.model.refused(e) {
			m.model.stats.Rejected++
			m.model.log = append(m.model.log, event{key, e.value, Rejected})
		} else {
			m.model.set(t, e)
		}
	case 5:
		value, ok := m.cache.Delete(key)
		m.settle(t)
		i := m.model.find(key)
		require.Equal(t, m.model.live(i), ok)
		if ok {
			require.Equal(t, m.model.entries[i].value, value)
		}
		if i >= 0 {
			m.model.leave(i, Deleted)
		}
	case 6:
		ok := m.cache.Expire(key, ttl)
		m.settle(t)
		i := m.model.find(key)
		require.Equal(t, m.model.live(i), ok)
		if !ok {
			return
		}
		if ttl > 0 {
			m.model.entries[i].life, m.model.entries[i].deadline = ttl, after(m.model.now, ttl)
			return
		}
		m.model.entries[i].deadline = m.model.now
		m.model.leave(i, Expired)
	case 7, 8:
		fails := []error{nil, nil, errOrigin, ErrNotFound}[number%4]
		value, err := m.cache.GetOrLoad(context.Background(), key, func(context.Context, int) (int, error) { return e.value, fails })
		m.settle(t)
		wantValue, want := m.model.load(t, e, fails)
		require.Equal(t, want, err)
		if err == nil {
			require.Equal(t, wantValue, value)
		}
	case 9:
		left, ok := m.cache.TTL(key)
		m.settle(t)
		i := m.model.find(key)
		require.Equal(t, m.model.live(i), ok)
		switch {
		case ok && m.model.entries[i].deadline == never:
			require.Equal(t, NoExpiry, left)
		case ok:
			require.Equal(t, time.Duration(m.model.entries[i].deadline-m.model.now), left)
		}
		require.Equal(t, ok, m.cache.Contains(key))
	case 10:
		if number%20 == 0 {
			m.cache.Clear()
			m.settle(t)
			for len(m.model.entries) > 0 {
				m.model.leave(0, Deleted)
			}
		} else if number%5 == 0 {
			evicted, err := m.cache.Resize(1 + number%7)
			require.NoError(t, err)
			m.settle(t)
			m.resize(t, 1+number%7, evicted)
		}
	default:
		m.sleep(number, ttl)
		m.settle(t)
	}
}

func (m *machine) resize(t require.TestingT, capacity, evicted int) {
	m.model.cfg.Capacity = capacity
	m.model.entries = slices.DeleteFunc(m.model.entries, func(e modelEntry) bool { return m.model.over(e) <= m.model.now })
	before := m.model.stats.Evictions
	for len(m.model.entries) > capacity {
		m.model.leave(0, Evicted)
	}
	require.Equal(t, int(m.model.stats.Evictions-before), evicted)
}

// sleep moves time to around the deadline of an entry, or by a life.
func (m *machine) sleep(number int, ttl time.Duration) {
	d := ttl
	if n := len(m.model.entries); n > 0 && number%3 > 0 {
		e := m.model.entries[number%n]
		at := []int64{e.deadline, m.model.over(e)}[number%2]
		d = time.Duration(at - m.model.now - int64(number%3) + 1) // a nanosecond before, or at it
	}
	if 0 < d && d < 10*365*24*time.Hour {
		time.Sleep(d)
	}
}

// machineConfig chooses a configuration by its bits.
func machineConfig(form int) Config[int, int] {
	cfg := Config[int, int]{Capacity: 1 + form%5, TTL: time.Second, Sliding: form&1 != 0}
	if form&2 != 0 {
		cfg.NegativeTTL = 700 * time.Millisecond
	}
	if form&4 != 0 {
		cfg.StaleIfError = 2 * time.Second
	}
	if form&8 != 0 {
		cfg.StaleWhileRevalidate = 1500 * time.Millisecond
	}
	if form&16 != 0 {
		cfg.MaxWeight, cfg.Weigh = 12, func(_, value int) int64 { return int64(value%14) - 1 }
	}
	if form&32 != 0 {
		cfg.CleanupInterval = 3 * time.Millisecond
	}
	if form&64 != 0 {
		cfg.StaleIfError = NoExpiry
	}
	return cfg
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newMachine(machineConfig(rapid.IntRange(0, 127).Draw(t, "form")))
			number := rapid.IntRange(0, 59)
			for range rapid.IntRange(1, 60).Draw(t, "calls") {
				m.step(t, number.Draw(t, "call"), number.Draw(t, "key")%6, number.Draw(t, "number"))
				m.compare(t)
			}
			m.cache.Clear()
		})
	})
}
