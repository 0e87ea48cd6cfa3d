package hashring

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// whiteboard is the answer that everybody writes first, and the baseline: a
// sorted slice of points, a map to their nodes, and a mutex.
type whiteboard struct {
	mu     sync.Mutex
	vnodes int
	points []uint64
	owner  map[uint64]string
	loads  map[string]int
	total  int
}

func newWhiteboard(vnodes int, ids ...string) *whiteboard {
	w := &whiteboard{vnodes: vnodes, owner: map[uint64]string{}, loads: map[string]int{}}
	for _, id := range ids {
		w.loads[id] = 0
		for i := range vnodes {
			p := position(Hash(id), uint32(i))
			w.owner[p] = id
			w.points = append(w.points, p)
		}
	}
	slices.Sort(w.points)
	return w
}

func (w *whiteboard) Get(key string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owner[w.points[w.seek(key)]], true
}

func (w *whiteboard) seek(key string) int {
	hash := Hash(key)
	return sort.Search(len(w.points), func(i int) bool { return w.points[i] >= hash }) % len(w.points)
}

// acquire is bounded load with a factor of 1.25.
func (w *whiteboard) acquire(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total++
	limit := 1.25 * float64(w.total) / float64(len(w.loads))
	for at := w.seek(key); ; at = (at + 1) % len(w.points) {
		if id := w.owner[w.points[at]]; float64(w.loads[id]) < limit {
			w.loads[id]++
			return id
		}
	}
}

func (w *whiteboard) release(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads[id]--
	w.total--
}

func benchIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("10.0.%d.%d:6379", i/256, i%256)
	}
	return ids
}

// benchKeys are keys of 16 bytes, as many as a power of two.
func benchKeys() []string {
	keys := make([]string, 1<<14)
	for i := range keys {
		keys[i] = fmt.Sprintf("user:%011d", i)
	}
	return keys
}

func mustNew[V any](tb testing.TB, cfg Config[V]) *Ring[V] {
	tb.Helper()
	r, err := New(cfg)
	require.NoError(tb, err)
	return r
}

const benchVnodes = 160

func BenchmarkGet(b *testing.B) {
	keys := benchKeys()
	for _, n := range []int{10, 100, 1000, 10_000} {
		ring := mustNew(b, Config[string]{Nodes: Nodes(benchIDs(n)...), VirtualNodes: benchVnodes})
		board := newWhiteboard(benchVnodes, benchIDs(n)...)
		for name, get := range map[string]func(string) (string, bool){"mainstay": ring.Get, "whiteboard": board.Get} {
			b.Run(fmt.Sprintf("impl=%s/nodes=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if id, ok := get(keys[i&(len(keys)-1)]); !ok || id == "" {
						b.Fatal("no owner")
					}
					i++
				}
			})
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	keys := benchKeys()
	ring := mustNew(b, Config[string]{Nodes: Nodes(benchIDs(100)...), VirtualNodes: benchVnodes})
	board := newWhiteboard(benchVnodes, benchIDs(100)...)
	for name, get := range map[string]func(string) (string, bool){"mainstay": ring.Get, "whiteboard": board.Get} {
		b.Run(fmt.Sprintf("impl=%s/nodes=100", name), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(keys)); pb.Next(); i++ {
					if _, ok := get(keys[i&(len(keys)-1)]); !ok {
						b.Error("no owner")
					}
				}
			})
		})
	}
}

func BenchmarkAppendReplicas(b *testing.B) {
	keys := benchKeys()
	for _, zones := range []int{1, 3} {
		nodes := Nodes(benchIDs(100)...)
		for i := range nodes {
			nodes[i].Zone = fmt.Sprint(i % zones)
		}
		ring := mustNew(b, Config[string]{Nodes: nodes, VirtualNodes: benchVnodes})
		b.Run(fmt.Sprintf("impl=mainstay/nodes=100/zones=%d/n=3", zones), func(b *testing.B) {
			b.ReportAllocs()
			var dst []Node[string]
			i := 0
			for b.Loop() {
				if dst = ring.AppendReplicas(dst[:0], keys[i&(len(keys)-1)], 3); len(dst) != 3 {
					b.Fatal("not 3 replicas")
				}
				i++
			}
		})
	}
}

func BenchmarkAcquire(b *testing.B) {
	keys := benchKeys()
	ring := mustNew(b, Config[string]{Nodes: Nodes(benchIDs(100)...), VirtualNodes: benchVnodes})
	board := newWhiteboard(benchVnodes, benchIDs(100)...)
	b.Run("impl=mainstay/nodes=100", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			lease, ok := ring.Acquire(keys[i&(len(keys)-1)])
			if !ok {
				b.Fatal("no node")
			}
			lease.Release()
			i++
		}
	})
	b.Run("impl=whiteboard/nodes=100", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			board.release(board.acquire(keys[i&(len(keys)-1)]))
			i++
		}
	})
}

func BenchmarkAddRemove(b *testing.B) {
	ids := benchIDs(60)
	ring := mustNew(b, Config[string]{Nodes: Nodes(ids[1:]...), VirtualNodes: 200})
	b.Run("impl=mainstay/nodes=60/vnodes=200", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := cmp.Or(ring.Add(Nodes(ids[0])...), ring.Remove(ids[0])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		nodes := Nodes(benchIDs(n)...)
		b.Run(fmt.Sprintf("impl=mainstay/nodes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(Config[string]{Nodes: nodes}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("impl=whiteboard/nodes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newWhiteboard(256, benchIDs(n)...)
			}
		})
	}
}

func BenchmarkJump(b *testing.B) {
	sum := 0
	b.Run("impl=mainstay/nodes=1000", func(b *testing.B) {
		hash := uint64(0)
		for b.Loop() {
			hash += golden
			sum += Jump(hash, 1000)
		}
	})
	require.Positive(b, sum)
}

func BenchmarkRendezvous(b *testing.B) {
	nodes := make([]uint64, 24)
	for i, id := range benchIDs(len(nodes)) {
		nodes[i] = Hash(id)
	}
	sum := 0
	b.Run("impl=mainstay/nodes=24", func(b *testing.B) {
		hash := uint64(0)
		for b.Loop() {
			hash += golden
			sum += Rendezvous(hash, nodes)
		}
	})
	require.Positive(b, sum)
}
