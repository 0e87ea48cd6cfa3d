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

// textbook is the ring that everybody writes first, and the baseline: a sorted
// slice of points, a map to their nodes, and a mutex, with bounded load in the
// same lock. Its points are ours, so that both must give the same answers.
type textbook struct {
	mu     sync.Mutex
	vnodes int
	points []uint64
	owner  map[uint64]string
	loads  map[string]int
	total  int
}

func newTextbook(vnodes int, ids ...string) *textbook {
	t := &textbook{vnodes: vnodes, owner: map[uint64]string{}, loads: map[string]int{}}
	for _, id := range ids {
		t.loads[id] = 0
		for i := range vnodes {
			p := position(Hash(id), uint32(i))
			t.owner[p] = id
			t.points = append(t.points, p)
		}
	}
	slices.Sort(t.points)
	return t
}

func (t *textbook) Get(key string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner[t.points[t.seek(key)]], true
}

func (t *textbook) seek(key string) int {
	hash := Hash(key)
	return sort.Search(len(t.points), func(i int) bool { return t.points[i] >= hash }) % len(t.points)
}

// acquire is bounded load with a factor of 1.25.
func (t *textbook) acquire(key string) string {
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

func (t *textbook) release(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loads[id]--
	t.total--
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

// benchRings returns both implementations with the same nodes, and the owners of
// the keys, on which they agree.
func benchRings(tb testing.TB, keys []string, n int) (ring *Ring[string], book *textbook, owners []string) {
	tb.Helper()
	ring = mustNew(tb, Config[string]{Nodes: Nodes(benchIDs(n)...), VirtualNodes: benchVnodes})
	book = newTextbook(benchVnodes, benchIDs(n)...)
	owners = make([]string, len(keys))
	for i, key := range keys {
		owners[i], _ = ring.Get(key)
		owner, _ := book.Get(key)
		require.Equal(tb, owner, owners[i])
	}
	return ring, book, owners
}

func BenchmarkGet(b *testing.B) {
	keys := benchKeys()
	for _, n := range []int{10, 100, 1000, 10_000} {
		ring, book, owners := benchRings(b, keys, n)
		for name, get := range map[string]func(string) (string, bool){"mainstay": ring.Get, "textbook": book.Get} {
			b.Run(fmt.Sprintf("impl=%s/nodes=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i, wrong := 0, 0
				for b.Loop() {
					at := i & (len(keys) - 1)
					if id, ok := get(keys[at]); !ok || id != owners[at] {
						wrong++
					}
					i++
				}
				require.Zero(b, wrong)
			})
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	keys := benchKeys()
	ring, book, owners := benchRings(b, keys, 100)
	for name, get := range map[string]func(string) (string, bool){"mainstay": ring.Get, "textbook": book.Get} {
		b.Run(fmt.Sprintf("impl=%s/nodes=100", name), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(keys)); pb.Next(); i++ {
					at := i & (len(keys) - 1)
					if id, ok := get(keys[at]); !ok || id != owners[at] {
						b.Error("another owner")
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

// BenchmarkAcquire takes a unit of load and gives it back; with nothing else in
// flight the owner has room.
func BenchmarkAcquire(b *testing.B) {
	keys := benchKeys()
	ring, book, owners := benchRings(b, keys, 100)
	impls := map[string]func(key, owner string) bool{
		"mainstay": func(key, owner string) bool {
			lease, ok := ring.Acquire(key)
			defer lease.Release()
			return ok && lease.Node().ID == owner
		},
		"textbook": func(key, owner string) bool {
			id := book.acquire(key)
			defer book.release(id)
			return id == owner
		},
	}
	for name, acquireRelease := range impls {
		b.Run(fmt.Sprintf("impl=%s/nodes=100", name), func(b *testing.B) {
			b.ReportAllocs()
			i, wrong := 0, 0
			for b.Loop() {
				if at := i & (len(keys) - 1); !acquireRelease(keys[at], owners[at]) {
					wrong++
				}
				i++
			}
			require.Zero(b, wrong)
		})
	}
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
		b.Run(fmt.Sprintf("impl=textbook/nodes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newTextbook(256, benchIDs(n)...)
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
