package benchmarks

import (
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// hashringTextbook is what everybody writes: a sorted slice, a map to the nodes, and a mutex; bounded load in the same
// lock.
type hashringTextbook struct {
	mu     sync.Mutex
	vnodes int
	points []uint64
	owner  map[uint64]string
	loads  map[string]int
	total  int
}

func newHashringTextbook(vnodes int, ids []string) hashringRing {
	t := &hashringTextbook{vnodes: vnodes, owner: map[uint64]string{}, loads: map[string]int{}}
	for _, id := range ids {
		t.insert(id)
	}
	slices.Sort(t.points)
	return t
}

func (t *hashringTextbook) insert(id string) {
	t.loads[id] = 0
	for i := range t.vnodes {
		point := xxhash.Sum64String(id + "#" + strconv.Itoa(i))
		t.owner[point] = id
		t.points = append(t.points, point)
	}
}

func (t *hashringTextbook) seek(key string) int {
	hash := xxhash.Sum64String(key)
	return sort.Search(len(t.points), func(i int) bool { return t.points[i] >= hash }) % len(t.points)
}

func (t *hashringTextbook) Get(key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner[t.points[t.seek(key)]]
}

func (t *hashringTextbook) Replicas(key string, n int) (int, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	for at := t.seek(key); len(ids) < n; at = (at + 1) % len(t.points) {
		if id := t.owner[t.points[at]]; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return len(ids), ids[0]
}

func (t *hashringTextbook) AddRemove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.insert(id)
	slices.Sort(t.points)
	t.points = slices.DeleteFunc(t.points, func(p uint64) bool { return t.owner[p] == id })
	for i := range t.vnodes {
		delete(t.owner, xxhash.Sum64String(id+"#"+strconv.Itoa(i)))
	}
	delete(t.loads, id)
}

func (t *hashringTextbook) AcquireRelease(key string) string {
	id := t.acquire(key)
	defer t.release(id)
	return id
}

func (t *hashringTextbook) acquire(key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	limit := 1.25 * float64(t.total) / float64(len(t.loads))
	for at := t.seek(key); ; at = (at + 1) % len(t.points) {
		if id := t.owner[t.points[at]]; float64(t.loads[id]) < limit {
			t.loads[id]++
			return id
		}
	}
}

func (t *hashringTextbook) release(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loads[id]--
	t.total--
}
