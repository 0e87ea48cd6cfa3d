package lru

import (
	"container/list"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// whiteboard is the answer that everybody writes first, and the baseline: a mutex, a map, and container/list.
type whiteboard[K comparable, V any] struct {
	mu       sync.Mutex
	capacity int
	order    *list.List
	byKey    map[K]*list.Element
}

func newWhiteboard[K comparable, V any](capacity int) *whiteboard[K, V] {
	return &whiteboard[K, V]{capacity: capacity, order: list.New(), byKey: map[K]*list.Element{}}
}

func (w *whiteboard[K, V]) Get(key K) (value V, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.byKey[key]
	if !ok {
		return value, false
	}
	w.order.MoveToFront(e)
	return e.Value.(*pair[K, V]).value, true
}

func (w *whiteboard[K, V]) Set(key K, value V) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.byKey[key]; ok {
		e.Value.(*pair[K, V]).value = value
		w.order.MoveToFront(e)
		return true
	}
	if w.order.Len() == w.capacity {
		last := w.order.Back()
		delete(w.byKey, last.Value.(*pair[K, V]).key)
		w.order.Remove(last)
	}
	w.byKey[key] = w.order.PushFront(&pair[K, V]{key, value})
	return true
}

type benchCache[K comparable, V any] interface {
	Get(K) (V, bool)
	Set(K, V) bool
}

// benchEach runs the workload on each implementation, for int and for string keys.
func benchEach(b *testing.B, run func(b *testing.B, w workload)) {
	b.Helper()
	for _, key := range []string{"int", "string"} {
		for _, impl := range []string{"mainstay", "mainstay-8-shards", "mutex+map+list"} {
			b.Run(fmt.Sprintf("impl=%s/key=%s/cap=%d", impl, key, benchCap), func(b *testing.B) {
				if key == "int" {
					run(b, newWorkload(b, impl, func(i int) int { return i }))
				} else {
					run(b, newWorkload(b, impl, func(i int) string { return fmt.Sprintf("key-%012d", i) }))
				}
			})
		}
	}
}

// workload hides the key type: get and set take the number of a key.
type workload struct {
	get func(i int) (int, bool)
	set func(i int)
}

const benchCap = 8192

func newWorkload[K comparable](b *testing.B, impl string, key func(int) K) workload {
	b.Helper()
	keys := make([]K, 2*benchCap)
	for i := range keys {
		keys[i] = key(i)
	}
	var c benchCache[K, int]
	switch impl {
	case "mutex+map+list":
		c = newWhiteboard[K, int](benchCap)
	case "mainstay-8-shards":
		c = mustNew(b, Config[K, int]{Capacity: benchCap, Shards: 8})
	default:
		c = mustNew(b, Config[K, int]{Capacity: benchCap})
	}
	for i := range benchCap {
		c.Set(keys[i], i)
	}
	return workload{
		get: func(i int) (int, bool) { return c.Get(keys[i]) },
		set: func(i int) { c.Set(keys[i], i) },
	}
}

func mustNew[K comparable, V any](tb testing.TB, cfg Config[K, V]) *Cache[K, V] {
	tb.Helper()
	c, err := New(cfg)
	require.NoError(tb, err)
	return c
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
	benchEach(b, func(b *testing.B, w workload) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			i := order[n&(len(order)-1)]
			if v, ok := w.get(i); !ok || v != i {
				b.Fatal("wrong answer")
			}
			n++
		}
	})
}

// Every Set evicts: the keys go round through twice the capacity.
func BenchmarkSetEvict(b *testing.B) {
	benchEach(b, func(b *testing.B, w workload) {
		b.ReportAllocs()
		n := benchCap
		for b.Loop() {
			w.set(n & (2*benchCap - 1))
			n++
		}
	})
}

func BenchmarkSetUpdate(b *testing.B) {
	order := uniform(benchCap)
	benchEach(b, func(b *testing.B, w workload) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			w.set(order[n&(len(order)-1)])
			n++
		}
	})
}

func BenchmarkGetParallel(b *testing.B) {
	order := uniform(benchCap)
	benchEach(b, func(b *testing.B, w workload) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			n := rand.IntN(len(order))
			for pb.Next() {
				if _, ok := w.get(order[n&(len(order)-1)]); !ok {
					b.Error("wrong answer")
				}
				n++
			}
		})
	})
}
