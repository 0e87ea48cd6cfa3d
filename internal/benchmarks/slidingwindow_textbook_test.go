package benchmarks

import (
	"container/heap"
	"sync"
	"time"
)

// slidingwindowDeque is the textbook's maximum: the values that can still become it, largest first, with their positions.
type slidingwindowDeque[T int | float64] struct {
	size, pushed int
	at           []int // rings of size
	values       []T
	head, len    int
}

func newSlidingwindowDeque[T int | float64](size int) func(T) T {
	return (&slidingwindowDeque[T]{size: size, at: make([]int, size), values: make([]T, size)}).push
}

func (d *slidingwindowDeque[T]) place(i int) int {
	if i += d.head; i >= d.size {
		i -= d.size
	}
	return i
}

func (d *slidingwindowDeque[T]) push(v T) T {
	if d.len > 0 && d.at[d.head] <= d.pushed-d.size {
		d.head = d.place(1)
		d.len--
	}
	for d.len > 0 && d.values[d.place(d.len-1)] <= v {
		d.len--
	}
	p := d.place(d.len)
	d.at[p], d.values[p] = d.pushed, v
	d.len++
	d.pushed++
	return d.values[d.head]
}

// slidingwindowHeap keeps what has left until it comes to the top.
type slidingwindowHeap[T int | float64] struct {
	size, pushed int
	items        []slidingwindowItem[T]
}

type slidingwindowItem[T int | float64] struct {
	at    int
	value T
}

func newSlidingwindowHeap[T int | float64](size int) func(T) T {
	return (&slidingwindowHeap[T]{size: size}).push
}

func (h *slidingwindowHeap[T]) push(v T) T {
	heap.Push(h, slidingwindowItem[T]{h.pushed, v})
	h.pushed++
	for h.items[0].at < h.pushed-h.size {
		heap.Pop(h)
	}
	return h.items[0].value
}

func (h *slidingwindowHeap[T]) Len() int           { return len(h.items) }
func (h *slidingwindowHeap[T]) Less(i, j int) bool { return h.items[i].value > h.items[j].value }
func (h *slidingwindowHeap[T]) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }

func (h *slidingwindowHeap[T]) Push(x any) { h.items = append(h.items, x.(slidingwindowItem[T])) }

func (h *slidingwindowHeap[T]) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return last
}

// newSlidingwindowRecompute is a ring that is folded anew at each push.
func newSlidingwindowRecompute(size int) func(slidingwindowStat) slidingwindowStat {
	buf, next := make([]slidingwindowStat, size), 0
	return func(v slidingwindowStat) slidingwindowStat {
		buf[next] = v
		if next++; next == size {
			next = 0
		}
		all := buf[next]
		for i := next + 1; i < size; i++ {
			all = slidingwindowCombine(all, buf[i])
		}
		for i := range next {
			all = slidingwindowCombine(all, buf[i])
		}
		return all
	}
}

// slidingwindowMutexRing is a ring of buckets under a mutex.
type slidingwindowMutexRing struct {
	mu      sync.Mutex
	base    time.Time
	counts  [10]int64
	numbers [10]int64
}

func newSlidingwindowMutexRing() slidingwindowCounter {
	return &slidingwindowMutexRing{base: time.Now()}
}

func (m *slidingwindowMutexRing) Add() {
	m.mu.Lock()
	defer m.mu.Unlock()
	number := int64(time.Since(m.base) / (100 * time.Millisecond))
	i := number % int64(len(m.counts))
	if m.numbers[i] != number {
		m.numbers[i], m.counts[i] = number, 0
	}
	m.counts[i]++
}

func (m *slidingwindowMutexRing) Sum() (sum int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	number := int64(time.Since(m.base) / (100 * time.Millisecond))
	for i, n := range m.counts {
		if number-m.numbers[i] < int64(len(m.counts)) {
			sum += n
		}
	}
	return sum
}

// slidingwindowExact is an exact map for each of ten buckets, under a mutex.
type slidingwindowExact struct {
	mu      sync.Mutex
	base    time.Time
	maps    [10]map[string]int64
	numbers [10]int64
}

func newSlidingwindowExact() slidingwindowTop {
	return &slidingwindowExact{base: time.Now()}
}

func (e *slidingwindowExact) Add(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	number := int64(time.Since(e.base) / time.Second)
	i := number % int64(len(e.maps))
	if e.maps[i] == nil || e.numbers[i] != number {
		e.numbers[i], e.maps[i] = number, map[string]int64{}
	}
	e.maps[i][key]++
}

func (e *slidingwindowExact) First() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	sums, first := map[string]int64{}, ""
	for _, counts := range e.maps {
		for key, n := range counts {
			sums[key] += n
			if sums[key] > sums[first] {
				first = key
			}
		}
	}
	return first
}
