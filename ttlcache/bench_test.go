package ttlcache

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// whiteboard is the answer that everybody writes first, and the baseline: a mutex, a map, container/list, and a deadline
// that is compared on every look. (What it lacks is the cleanup.)
type whiteboard[K comparable, V any] struct {
	mu       sync.Mutex
	capacity int
	ttl      time.Duration
	order    *list.List
	byKey    map[K]*list.Element
}

type whiteboardEntry[K comparable, V any] struct {
	key      K
	value    V
	deadline time.Time
}

func newWhiteboard[K comparable, V any](capacity int, ttl time.Duration) *whiteboard[K, V] {
	return &whiteboard[K, V]{capacity: capacity, ttl: ttl, order: list.New(), byKey: map[K]*list.Element{}}
}

func (w *whiteboard[K, V]) Get(key K) (value V, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.byKey[key]
	if !ok {
		return value, false
	}
	entry := e.Value.(*whiteboardEntry[K, V])
	if !time.Now().Before(entry.deadline) {
		w.order.Remove(e)
		delete(w.byKey, key)
		return value, false
	}
	w.order.MoveToFront(e)
	return entry.value, true
}

func (w *whiteboard[K, V]) Set(key K, value V) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline := time.Now().Add(w.ttl)
	if e, ok := w.byKey[key]; ok {
		entry := e.Value.(*whiteboardEntry[K, V])
		entry.value, entry.deadline = value, deadline
		w.order.MoveToFront(e)
		return true
	}
	if w.order.Len() == w.capacity {
		last := w.order.Back()
		delete(w.byKey, last.Value.(*whiteboardEntry[K, V]).key)
		w.order.Remove(last)
	}
	w.byKey[key] = w.order.PushFront(&whiteboardEntry[K, V]{key, value, deadline})
	return true
}

const benchCap = 8192

type benchCache interface {
	Get(int) (int, bool)
	Set(int, int) bool
}

func benchEach(b *testing.B, run func(b *testing.B, c benchCache)) {
	b.Helper()
	for _, impl := range []string{"mainstay", "mutex+map+list"} {
		b.Run(fmt.Sprintf("impl=%s/key=int/cap=%d", impl, benchCap), func(b *testing.B) {
			var c benchCache = newWhiteboard[int, int](benchCap, time.Hour)
			if impl == "mainstay" {
				c = mustNew(b, Config[int, int]{Capacity: benchCap, TTL: time.Hour})
			}
			for i := range benchCap {
				c.Set(i, i)
			}
			b.ReportAllocs()
			run(b, c)
		})
	}
}

// uniform is a sequence of keys below n, of a length that is a power of two.
func uniform(n int) []int {
	rng := rand.New(rand.NewPCG(1, 2))
	order := make([]int, 1<<16)
	for i := range order {
		order[i] = rng.IntN(n)
	}
	return order
}

func BenchmarkGet(b *testing.B) {
	order := uniform(benchCap)
	benchEach(b, func(b *testing.B, c benchCache) {
		n := 0
		for b.Loop() {
			i := order[n&(len(order)-1)]
			if v, ok := c.Get(i); !ok || v != i {
				b.Fatal("wrong answer")
			}
			n++
		}
	})
}

// Every Set evicts: the keys go round through twice the capacity.
func BenchmarkSetEvict(b *testing.B) {
	benchEach(b, func(b *testing.B, c benchCache) {
		n := benchCap
		for b.Loop() {
			c.Set(n&(2*benchCap-1), n)
			n++
		}
	})
}

func BenchmarkSetUpdate(b *testing.B) {
	order := uniform(benchCap)
	benchEach(b, func(b *testing.B, c benchCache) {
		n := 0
		for b.Loop() {
			c.Set(order[n&(len(order)-1)], n)
			n++
		}
	})
}

func BenchmarkGetOrLoad(b *testing.B) {
	c := mustNew(b, Config[int, int]{Capacity: benchCap, TTL: time.Hour})
	load := func(_ context.Context, key int) (int, error) { return key, nil }
	ctx := b.Context()
	b.Run("impl=mainstay/hit", func(b *testing.B) {
		c.Set(1, 1)
		b.ReportAllocs()
		for b.Loop() {
			if v, err := c.GetOrLoad(ctx, 1, load); err != nil || v != 1 {
				b.Fatal("wrong answer")
			}
		}
	})
	b.Run("impl=mainstay/load", func(b *testing.B) {
		b.ReportAllocs()
		n := 2
		for b.Loop() {
			if v, err := c.GetOrLoad(ctx, n, load); err != nil || v != n {
				b.Fatal("wrong answer")
			}
			n++
		}
	})
}
