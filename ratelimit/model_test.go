package ratelimit

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

// machine drives a Limiter and a naive count of each of its keys with the same calls, in a bubble.
type machine struct {
	l     *Limiter[string]
	a     Algorithm
	limit Limit
	start time.Time
	keys  map[string]naive
	spent [2]uint64 // calls refused and admitted, as Stats must say
}

var modelKeys = []string{"a", "b", "c"}

// drawLimit draws a limit whose arithmetic is exact, so that the two must agree to the nanosecond.
func drawLimit(t *rapid.T, a Algorithm) Limit {
	per := rapid.SampledFrom([]time.Duration{1, 2, 7, 999, time.Millisecond, time.Second, time.Hour}).Draw(t, "per")
	tokens := rapid.Int64Range(1, 10).Draw(t, "tokens")
	l := Limit{Rate: tokenbucket.Rate{Tokens: tokens, Per: per}}
	if a == TokenBucket {
		l.Burst = rapid.Int64Range(0, 12).Draw(t, "burst")
	}
	return l
}

func newMachine(t *rapid.T) *machine {
	m := &machine{a: Algorithm(rapid.IntRange(0, 3).Draw(t, "algorithm")), start: time.Now(), keys: map[string]naive{}}
	m.limit = drawLimit(t, m.a)
	var err error
	m.l, err = New(Config[string]{Algorithm: m.a, Limit: m.limit, MaxKeys: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range modelKeys {
		m.keys[key] = newNaive(m.a, m.limit)
	}
	return m
}

func (m *machine) now() int64 { return int64(time.Since(m.start)) }

func (m *machine) key(t *rapid.T) (string, naive) {
	key := rapid.SampledFrom(modelKeys).Draw(t, "key")
	return key, m.keys[key]
}

func (m *machine) take(t *rapid.T) {
	key, model := m.key(t)
	quota := model.quota()
	n := rapid.Int64Range(0, quota+1).Draw(t, "n")
	ok := fits(model, m.now(), n)
	if n == 0 {
		ok = true
	}
	if ok {
		model.charge(m.now(), n)
	}
	if rapid.Bool().Draw(t, "allow") {
		if got := m.l.AllowN(key, n); got != ok {
			t.Fatalf("AllowN(%d) = %v, want %v", n, got, ok)
		}
	} else {
		r, err := m.l.Take(t.Context(), key, n)
		if (err != nil) != (n > quota) || r.OK != ok {
			t.Fatalf("Take(%d) = %+v, %v", n, r, err)
		}
		m.check(t, model, r, n)
	}
	if n > 0 {
		m.spent[index(ok)]++
	}
}

func index(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// check compares a Result with the model.
func (m *machine) check(t *rapid.T, model naive, r Result, n int64) {
	now := m.now()
	if r.Limit != model.quota() || r.Remaining != left(model, now) || r.Source != Local || r.Window != m.limit.window() {
		t.Fatalf("%+v, want %d of %d in %v", r, left(model, now), model.quota(), m.limit.window())
	}
	ask := max(n, 1)
	switch fit := func(at int64) bool { return fits(model, at, ask) }; {
	case n > 0 && (r.OK || n > r.Limit):
		if r.RetryAfter != 0 {
			t.Fatalf("RetryAfter = %v of %+v", r.RetryAfter, r)
		}
	default:
		first(t, "RetryAfter", now, r.RetryAfter, fit)
	}
	first(t, "ResetAfter", now, r.ResetAfter, func(at int64) bool { return idle(model, at) })
}

// first asserts that wait is the least one after which holds.
func first(t *rapid.T, what string, now int64, wait time.Duration, holds func(at int64) bool) {
	if wait < 0 || !holds(now+int64(wait)) || wait > 0 && holds(now+int64(wait)-1) {
		t.Fatalf("%s = %v at %d", what, wait, now)
	}
}

func (m *machine) look(t *rapid.T) {
	key, model := m.key(t)
	r, err := m.l.Take(t.Context(), key, 0)
	if err != nil || !r.OK {
		t.Fatalf("Take(0) = %+v, %v", r, err)
	}
	m.check(t, model, r, 0)
}

func (m *machine) all(t *rapid.T) {
	seen := map[string]bool{}
	for key, r := range m.l.All() {
		if seen[key] {
			t.Fatalf("%q comes twice", key)
		}
		seen[key] = true
		m.check(t, m.keys[key], r, 0)
	}
	for key, model := range m.keys {
		if !seen[key] && !idle(model, m.now()) {
			t.Fatalf("%q is missing", key)
		}
	}
}

func (m *machine) giveBack(t *rapid.T) {
	key, model := m.key(t)
	n := rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, 2, 5, math.MaxInt64}).Draw(t, "n")
	m.l.Return(key, n)
	if n > 0 {
		model.give(m.now(), min(n, 1000))
	}
}

func (m *machine) sleep(t *rapid.T) {
	d := time.Duration(rapid.Int64Range(0, 2*int64(m.limit.window())).Draw(t, "d"))
	if rapid.Bool().Draw(t, "edge") {
		key, _ := m.key(t)
		r, _ := m.l.Take(t.Context(), key, 0)
		d = max(rapid.SampledFrom([]time.Duration{r.RetryAfter, r.ResetAfter, m.limit.Rate.Per}).Draw(t, "to")-
			time.Duration(rapid.IntRange(-1, 1).Draw(t, "early")), 0)
	}
	time.Sleep(d)
}

func (m *machine) forget(t *rapid.T) {
	key, model := m.key(t)
	if held := m.l.Delete(key); !held && !idle(model, m.now()) {
		t.Fatalf("%q was not held", key)
	}
	m.keys[key] = newNaive(m.a, m.limit)
}

func (m *machine) prune(t *rapid.T) {
	before := m.l.Len()
	busy := 0
	for _, model := range m.keys {
		busy += index(!idle(model, m.now()))
	}
	if dropped := m.l.Prune(); dropped != before-busy || m.l.Len() != busy {
		t.Fatalf("Prune() = %d of %d, %d are busy", dropped, before, busy)
	}
}

// setLimit changes the rate of a bucket by whole factors only: a fraction of a token is rounded to the new unit otherwise.
func (m *machine) setLimit(t *rapid.T) {
	next := drawLimit(t, m.a)
	if m.a == TokenBucket {
		next.Rate, next.Burst = m.limit.Rate, max(next.Burst, 1)
	}
	if err := m.l.SetLimit(next); err != nil {
		t.Fatal(err)
	}
	m.limit = next
	for _, model := range m.keys {
		model.relimit(m.now(), next)
	}
}

func (m *machine) stats(t *rapid.T) {
	s := m.l.Stats()
	if s.Denied != m.spent[0] || s.Allowed != m.spent[1] || s.Keys != m.l.Len() || s.EvictedActive != 0 {
		t.Fatalf("%+v, want %v", s, m.spent)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newMachine(t)
			t.Repeat(map[string]func(*rapid.T){
				"take":     m.take,
				"take2":    m.take,
				"look":     m.look,
				"all":      m.all,
				"give":     m.giveBack,
				"sleep":    m.sleep,
				"forget":   m.forget,
				"prune":    m.prune,
				"setLimit": m.setLimit,
				"":         func(t *rapid.T) { m.stats(t); verify(t, m.l) },
			})
		})
	})
}

// verify walks the tables of a Limiter and fails on what must not be.
func verify[K comparable](t require.TestingT, l *Limiter[K]) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		damage := s.damage()
		s.mu.Unlock()
		require.NoError(t, damage)
	}
}

func (s *shard[K]) damage() error {
	held := 0
	for i := range s.table.slots {
		e := &s.table.slots[i]
		if e.hash == 0 {
			if e.state != (state{}) || e.key != *new(K) {
				return fmt.Errorf("empty slot %d holds %+v", i, e)
			}
			continue
		}
		held++
		for j := s.table.home(e.hash); j != i; j = s.table.after(j) {
			if s.table.slots[j].hash == 0 {
				return fmt.Errorf("the search for slot %d ends at %d", i, j)
			}
		}
	}
	if held != s.table.len || held > s.most {
		return fmt.Errorf("%d entries, len %d, most %d", held, s.table.len, s.most)
	}
	return nil
}
