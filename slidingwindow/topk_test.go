package slidingwindow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTopKIsExactWhileKeysFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTopK[string](t, TopKConfig{Window: time.Second, Capacity: 3})
		k.Add("a", 5)
		k.Add("b", 1)
		time.Sleep(100 * time.Millisecond)
		k.Add("a", 2)
		k.Add("c", 3)
		k.Add("d", 3)
		assert.Equal(t, Entry[string]{"a", 7, 0}, k.Get("a"))
		assert.Equal(t, Entry[string]{"nobody", 0, 0}, k.Get("nobody"), "buckets that are full and never evicted")
		top := k.Top(10)
		require.Len(t, top, 4)
		assert.Equal(t, Entry[string]{"a", 7, 0}, top[0])
		assert.ElementsMatch(t, []Entry[string]{{"c", 3, 0}, {"d", 3, 0}}, top[1:3])
		assert.Equal(t, Entry[string]{"b", 1, 0}, top[3])
		assert.Equal(t, top[:1], k.Top(1))
		assert.Nil(t, k.Top(0))
		assert.Nil(t, k.Top(-1))
		assert.Nil(t, k.Top(math.MinInt))
		assert.Equal(t, 4, k.Len())
		assert.Equal(t, int64(14), k.Total())
		time.Sleep(900 * time.Millisecond)
		assert.Equal(t, Entry[string]{"a", 2, 0}, k.Get("a"))
		assert.Equal(t, int64(8), k.Total())
		time.Sleep(100 * time.Millisecond)
		assert.Empty(t, k.Top(10))
		assert.Zero(t, k.Len())
	})
}

// The picture of the package comment: a newcomer takes the least counter over, together with its count.
func TestSpaceSaving(t *testing.T) {
	k := newTopK[string](t, TopKConfig{Window: time.Hour, Buckets: 1, Capacity: 3})
	k.Add("a", 9)
	k.Add("b", 4)
	k.Add("c", 3)
	k.Add("d", 1)
	assert.Equal(t, Entry[string]{"d", 4, 3}, k.Get("d"))
	assert.Equal(t, Entry[string]{"a", 9, 0}, k.Get("a"))
	assert.Equal(t, Entry[string]{"c", 3, 3}, k.Get("c"), "what is not kept had at most the last count that was taken over")
	assert.Equal(t, int64(17), k.Total())
	assert.Equal(t, []Entry[string]{{"a", 9, 0}, {"b", 4, 0}, {"d", 4, 3}}, k.Top(3), "ties by smaller Err")
}

// truth is an exact count of the same events.
type truth map[int]int64

// checkBounds checks what a TopK promises of every key, kept or not.
func checkBounds(t interface {
	require.TestingT
	Helper()
}, k *TopK[int], exact truth, total int64, capacity, keys int,
) {
	t.Helper()
	require.Equal(t, total, k.Total())
	top := k.Top(k.Len())
	require.Len(t, top, k.Len())
	listed := map[int]bool{}
	for i, e := range top {
		require.Equal(t, e, k.Get(e.Key), "Get agrees with Top")
		require.False(t, listed[e.Key], "key %d twice", e.Key)
		listed[e.Key] = true
		if i > 0 {
			p := top[i-1]
			require.True(t, p.Count > e.Count || p.Count == e.Count && p.Err <= e.Err, "%v before %v", p, e)
		}
	}
	for key := range keys {
		e := k.Get(key)
		n := exact[key]
		require.True(t, e.Count-e.Err <= n && n <= e.Count, "key %d: %d is not in [%d-%d, %d]", key, n, e.Count, e.Err, e.Count)
		require.LessOrEqual(t, e.Err, total/int64(capacity), "key %d", key)
		if n > total/int64(capacity) {
			require.True(t, listed[key], "key %d has %d of %d", key, n, total)
		}
	}
}

func TestBoundsOfManyStreams(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 5, 16, 100} {
		for seed := range uint64(6) {
			rng := rand.New(rand.NewPCG(seed, uint64(capacity)))
			zipf := rand.NewZipf(rng, 1.1+float64(seed)/4, 1, 199)
			k := newTopK[int](t, TopKConfig{Window: time.Hour, Buckets: 4, EventTime: true, Capacity: capacity})
			exact, total := truth{}, int64(0)
			for i := range 1500 {
				key, n := int(zipf.Uint64()), int64(1)
				switch seed {
				case 1:
					n = 1 + rng.Int64N(100)
				case 2:
					key = i % 200
				case 3:
					key = rng.IntN(200)
				}
				k.AddAt(time.Unix(int64(rng.IntN(3600)), 0), key, n)
				exact[key] += n
				total += n
			}
			for _, s := range k.ring {
				require.NoError(t, s.validate())
			}
			checkBounds(t, k, exact, total, capacity, 200)
		}
	}
}

func TestTopKCountsStayAtMaxInt64(t *testing.T) {
	k := newTopK[string](t, TopKConfig{Window: time.Second, EventTime: true, Capacity: 2})
	at := time.Unix(0, 0)
	for range 3 {
		k.AddAt(at, "a", math.MaxInt64)
	}
	k.AddAt(at.Add(500*time.Millisecond), "a", math.MaxInt64)
	assert.Equal(t, Entry[string]{"a", math.MaxInt64, 0}, k.Get("a"))
	assert.Equal(t, int64(math.MaxInt64), k.Total())
	k.AddAt(at, "b", math.MaxInt64)
	k.AddAt(at, "c", 1)
	for _, e := range k.Top(5) {
		assert.Equal(t, int64(math.MaxInt64), e.Count)
		assert.Equal(t, e, k.Get(e.Key))
	}
	require.NoError(t, k.ring[0].validate())
}

func TestTopKInEventTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTopK[string](t, TopKConfig{Window: time.Second, EventTime: true})
		assert.Zero(t, k.Total())
		assert.Empty(t, k.Top(3))
		at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
		k.AddAt(at(0), "a", 1)
		k.AddAt(at(900), "b", 2)
		time.Sleep(time.Hour)
		assert.Equal(t, int64(3), k.Total())
		k.AddAt(at(1000), "c", 4)
		k.AddAt(at(99), "late", 8)
		k.AddAt(at(100), "d", 16)
		k.AddAt(time.Now().Add(time.Minute+1), "early", 32)
		k.AddAt(at(5000), "ignored", -1)
		k.AddAt(at(5000), "nothing", 0)
		assert.Equal(t, Stats{Late: 1, Early: 1, Ignored: 1}, k.Stats())
		assert.Equal(t, []Entry[string]{{"d", 16, 0}, {"c", 4, 0}, {"b", 2, 0}}, k.Top(9))
		k.Add("now", 64)
		assert.Equal(t, int64(64), k.Total())
		k.Reset()
		assert.Zero(t, k.Total())
		k.AddAt(at(0), "again", 1)
		assert.Equal(t, int64(1), k.Total())
		assert.Equal(t, Stats{Late: 1, Early: 1, Ignored: 1}, k.Stats())
	})
}

func TestTopKAddAtWithTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTopK[string](t, TopKConfig{Window: time.Second})
		now := time.Now()
		k.AddAt(now.Add(time.Hour), "a", 1)
		k.AddAt(now.Add(-900*time.Millisecond), "a", 2)
		k.AddAt(now.Add(-901*time.Millisecond), "a", 4)
		k.AddAt(now, "a", -4)
		assert.Equal(t, int64(3), k.Get("a").Count)
		assert.Equal(t, Stats{Late: 1, Ignored: 1}, k.Stats())
		time.Sleep(100 * time.Millisecond)
		assert.Equal(t, int64(1), k.Get("a").Count)
		k.base = k.base.Add(time.Hour) // a reading that is older than another goroutine's
		k.Add("a", 8)
		assert.Equal(t, int64(9), k.Get("a").Count)
		k.base = k.base.Add(-2 * time.Hour)
		k.Add("b", 1)
		k.base = k.base.Add(time.Minute)
		k.Add("b", 1)
		assert.Equal(t, int64(2), k.Total(), "counted in the newest bucket rather than nowhere")
		k.AddAt(time.Now().Add(-time.Second), "b", 1)
		assert.Equal(t, uint64(2), k.Stats().Late)
	})
}

// A key that is not equal to itself could be added to a map without end, and never be found or deleted.
func TestRegressionNaNKeys(t *testing.T) {
	k := newTopK[float64](t, TopKConfig{Window: time.Hour, Capacity: 4})
	for range 100 {
		k.Add(math.NaN(), 1)
	}
	k.AddAt(time.Now(), math.NaN(), 0)
	assert.Zero(t, k.Len())
	assert.Zero(t, k.Total())
	assert.Equal(t, Stats{Ignored: 101}, k.Stats())
	assert.Zero(t, k.Get(math.NaN()).Count)
	k.Add(0, 1)
	k.Add(math.Copysign(0, -1), 1)
	assert.Equal(t, int64(2), k.Get(0).Count, "the zeros are one key")
	anys := newTopK[any](t, TopKConfig{Window: time.Hour})
	anys.Add(math.NaN(), 1)
	anys.Add(nil, 1)
	assert.Equal(t, 1, anys.Len())
	assert.Equal(t, Stats{Ignored: 1}, anys.Stats())
}

func TestUnhashableKeyPanicsWithoutTheLock(t *testing.T) {
	for _, events := range []bool{false, true} {
		k := newTopK[any](t, TopKConfig{Window: time.Hour, EventTime: events})
		for _, call := range []func(){
			func() { k.Add([]int{1}, 1) },
			func() { k.AddAt(time.Now(), []int{1}, 1) },
			func() { k.Get([]int{1}) },
		} {
			assert.Panics(t, call)
			assert.True(t, k.mu.TryLock(), "no lock is held")
			k.mu.Unlock()
		}
		k.Add("fine", 1)
		assert.Equal(t, int64(1), k.Total())
	}
}

// go-kratos/aegis hashes with a fixed seed, for which anybody can choose keys that collide.
func TestRegressionSeedPerInstance(t *testing.T) {
	a, b := newTopK[int](t, TopKConfig{Window: time.Hour}), newTopK[int](t, TopKConfig{Window: time.Hour})
	equal := 0
	for key := range 100 {
		if a.hash(key) == b.hash(key) {
			equal++
		}
	}
	assert.Less(t, equal, 10)
}

// The index must survive any collision: all hashes equal, or a few of them, next to the end of the table.
func TestSummaryWithHostileHashes(t *testing.T) {
	for name, hash := range map[string]func(int) uint32{
		"one":        func(int) uint32 { return 0 },
		"last":       func(int) uint32 { return math.MaxUint32 },
		"few":        func(key int) uint32 { return uint32(key%3) - 1 },
		"descending": func(key int) uint32 { return uint32(-key) },
	} {
		for _, capacity := range []int{1, 2, 5, 8, 9, 30} {
			s := &summary[int]{capacity: capacity}
			rng := rand.New(rand.NewPCG(1, 1))
			exact := map[int]int64{}
			for i := range 400 {
				key := rng.IntN(3 * capacity)
				s.add(key, hash(key), int64(i%5+1))
				exact[key] += int64(i%5 + 1)
				require.NoError(t, s.validate(), "%s, capacity %d", name, capacity)
			}
			for key, n := range exact {
				if i, found := s.find(key, hash(key)); found {
					require.True(t, s.entries[i].count >= n && s.entries[i].count-s.entries[i].err <= n)
				} else {
					require.LessOrEqual(t, n, s.floor)
				}
			}
		}
	}
}

// The validator of the summary is worth something: it sees what it is meant to see.
func TestValidateSeesDamage(t *testing.T) {
	for name, damage := range map[string]func(s *summary[int]){
		"index":    func(s *summary[int]) { clear(s.index) },
		"total":    func(s *summary[int]) { s.total++ },
		"error":    func(s *summary[int]) { s.entries[0].err = s.entries[0].count },
		"rank":     func(s *summary[int]) { s.ranks[0].count = math.MaxInt64 },
		"order":    func(s *summary[int]) { s.ranks[4].count = 0 },
		"too few":  func(s *summary[int]) { s.ranks = s.ranks[:3] },
		"sibling":  func(s *summary[int]) { s.ranks[0], s.ranks[1] = s.ranks[1], s.ranks[0] },
		"unlinked": func(s *summary[int]) { s.unlink(2) },
	} {
		s := &summary[int]{capacity: 6}
		for key := range 9 {
			s.add(key, uint32(key), int64(10*key+5))
		}
		s.settle()
		require.NoError(t, s.validate())
		damage(s)
		require.Error(t, s.validate(), name)
	}
	d := &daba[int]{combine: sum}
	for range 5 {
		d.push(1)
	}
	require.NoError(t, d.validate())
	for range 20 {
		d.push(1)
	}
	d.tail, d.e = 0, d.e-1
	require.ErrorContains(t, d.validate(), "balance")
	d.f = d.e + 1
	require.ErrorContains(t, d.validate(), "order")
}

// A gap of part of the window releases the buckets that expired, one of them to be used again.
func TestExpiredBucketsAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTopK[int](t, TopKConfig{Window: time.Second, Capacity: 8})
		used := map[*summary[int]]bool{}
		for range 40 {
			for key := range 8 {
				k.Add(key, 1)
			}
			used[k.ring[k.position(k.end)]] = true
			time.Sleep(100 * time.Millisecond)
		}
		assert.Len(t, used, 10, "as many as buckets")
		assert.Equal(t, int64(72), k.Total())
		time.Sleep(400 * time.Millisecond)
		assert.Equal(t, int64(40), k.Total())
		assert.Equal(t, 5, k.live)
		assert.NotNil(t, k.spare)
		for range 5 {
			time.Sleep(100 * time.Millisecond)
			k.Total()
		}
		assert.Zero(t, k.live)
		assert.Nil(t, k.spare, "an empty window keeps nothing")
		k.Add(1, 1)
		time.Sleep(500 * time.Millisecond)
		k.Add(1, 1)
		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, int64(1), k.Total())
		assert.Nil(t, k.spare, "room for eight keys is not kept for one")
		k.Reset()
		assert.Zero(t, k.live)
		assert.Zero(t, k.Len())
	})
}

func TestTopKKeyTypes(t *testing.T) {
	type point struct{ x, y int }
	points := newTopK[point](t, TopKConfig{Window: time.Hour})
	words := newTopK[string](t, TopKConfig{Window: time.Hour})
	for i := range 100 {
		points.Add(point{i % 3, -i % 3}, 1)
		words.Add(fmt.Sprint(i%3), 1)
	}
	assert.Equal(t, Entry[point]{point{}, 34, 0}, points.Top(1)[0])
	assert.Equal(t, Entry[string]{"0", 34, 0}, words.Top(1)[0])
}
