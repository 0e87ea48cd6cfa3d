package lrulist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

// hashes are what a hostile caller may choose: everything in one chain, in few chains, alike in the low bits.
var hashes = map[string]func(int) uint32{
	"spread":   func(k int) uint32 { return uint32(k) * 2654435761 },
	"constant": func(int) uint32 { return 7 },
	"two bits": func(k int) uint32 { return uint32(k) & 3 },
	"high":     func(k int) uint32 { return uint32(k) << 16 },
}

// keysOf reads the list from the front and, to compare, from the back.
func keysOf[V any](t require.TestingT, table *Table[int, V]) []int {
	keys := []int{}
	for i := table.Front(); i != 0; i = table.Next(i) {
		keys = append(keys, table.At(i).Key())
	}
	back := []int{}
	for i := table.Back(); i != 0; i = table.Prev(i) {
		back = append(back, table.At(i).Key())
	}
	slices.Reverse(back)
	require.Equal(t, keys, back)
	require.Equal(t, len(keys), table.Len())
	return keys
}

func TestInsertFindRemove(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			table := New[int, string](100, false)
			for k := range 100 {
				i := table.Insert(hash(k), k, fmt.Sprint(k))
				require.Equal(t, i, table.Front())
				require.Equal(t, i, table.Find(hash(k), k))
				require.NoError(t, table.Validate())
			}
			for k := range 100 {
				require.Equal(t, fmt.Sprint(k), table.At(table.Find(hash(k), k)).Value)
			}
			assert.Zero(t, table.Find(hash(100), 100))
			for k := 99; k >= 0; k -= 2 {
				table.Remove(table.Find(hash(k), k))
				require.Zero(t, table.Find(hash(k), k))
				require.NoError(t, table.Validate())
			}
			assert.Equal(t, 50, table.Len())
		})
	}
}

func TestEmptyTable(t *testing.T) {
	table := New[int, int](10, true)
	assert.Zero(t, table.Find(1, 1))
	assert.Zero(t, table.Front())
	assert.Zero(t, table.Back())
	assert.False(t, table.Sparse())
	table.Shrink()
	table.Clear()
	assert.Zero(t, table.Len())
	require.NoError(t, table.Validate())
}

func TestMoveToFront(t *testing.T) {
	table := New[int, int](3, false)
	a, b, c := table.Insert(1, 1, 0), table.Insert(2, 2, 0), table.Insert(3, 3, 0)
	for _, step := range []struct {
		move uint32
		want []int
	}{{c, []int{3, 2, 1}}, {a, []int{1, 3, 2}}, {c, []int{3, 1, 2}}, {b, []int{2, 3, 1}}} {
		table.MoveToFront(step.move)
		assert.Equal(t, step.want, keysOf(t, &table))
		require.NoError(t, table.Validate())
	}
}

func TestReplaceReusesTheNode(t *testing.T) {
	table := New[int, string](2, true)
	old := table.Insert(1, 1, "one")
	table.SetTag(old, 99)
	table.Insert(2, 2, "two")
	table.Replace(old, 3, 3, "three")
	assert.Equal(t, []int{3, 2}, keysOf(t, &table))
	assert.Zero(t, table.Find(1, 1))
	assert.Equal(t, old, table.Find(3, 3))
	assert.Equal(t, "three", table.At(old).Value)
	assert.Zero(t, table.Tag(old), "the tag belonged to the entry that left")
	require.NoError(t, table.Validate())
}

func TestTagsFollowTheirEntries(t *testing.T) {
	table := New[int, int](1000, true)
	for k := range 1000 {
		table.SetTag(table.Insert(uint32(k), k, k), uint64(k)*10)
	}
	for k := range 1000 {
		assert.Equal(t, uint64(k)*10, table.Tag(table.Find(uint32(k), k)), "growth carries the tags over")
	}
	for k := range 950 {
		table.Remove(table.Find(uint32(k), k))
	}
	require.True(t, table.Sparse())
	table.Shrink()
	require.NoError(t, table.Validate())
	for k := 950; k < 1000; k++ {
		assert.Equal(t, uint64(k)*10, table.Tag(table.Find(uint32(k), k)))
	}
	i := table.Insert(2000, 2000, 0)
	assert.Zero(t, table.Tag(i))
	table.Remove(i)
	assert.Zero(t, table.Tag(table.Insert(2001, 2001, 0)))
}

// Growing keeps indices; shrinking numbers the entries from the front.
func TestIndices(t *testing.T) {
	table := New[int, int](1<<20, false)
	at := map[int]uint32{}
	for k := range 5000 {
		at[k] = table.Insert(uint32(k), k, k)
	}
	for k, i := range at {
		require.Equal(t, k, table.At(i).Key())
	}
	for k := 100; k < 5000; k++ {
		table.Remove(at[k])
	}
	table.MoveToFront(at[50])
	want := keysOf(t, &table)
	table.Shrink()
	assert.Equal(t, want, keysOf(t, &table))
	for n, k := range want {
		assert.Equal(t, uint32(n+1), table.Find(uint32(k), k))
	}
	require.NoError(t, table.Validate())
}

func TestGrowthStopsAtTheLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 8, 100, 1000, 1025, 8193} {
		table := New[int, int](limit, false)
		for k := range limit {
			table.Insert(uint32(k), k, k)
		}
		assert.Equal(t, limit, table.room(), "limit %d", limit)
		assert.GreaterOrEqual(t, len(table.buckets), 2*limit, "two buckets to a node")
		assert.Less(t, len(table.buckets), 4*limit)
		table.Insert(uint32(limit), limit, limit) // the limit guides growth, it does not forbid
		assert.Equal(t, limit+1, table.Len())
		assert.LessOrEqual(t, table.room(), limit+limit/8+1)
		require.NoError(t, table.Validate())
	}
}

// A limit that rises with every entry must not make every insertion a copy.
func TestGrowthUnderARisingLimit(t *testing.T) {
	table := New[int, int](1, false)
	rebuilds, room := 0, 0
	for k := range 50_000 {
		table.SetLimit(k + 1)
		table.Insert(uint32(k), k, k)
		if table.room() != room {
			rebuilds, room = rebuilds+1, table.room()
		}
	}
	assert.Less(t, rebuilds, 100, "8/9 of them for nothing would be 90")
	assert.LessOrEqual(t, table.room(), 50_000*9/8+1)
}

func TestNewAllocatesNoNode(t *testing.T) {
	table := New[int, [1 << 20]byte](1000, true)
	assert.Zero(t, cap(table.nodes))
	assert.Zero(t, cap(table.tags))
}

func TestLoweredLimitIsSparse(t *testing.T) {
	table := New[int, int](1000, true)
	for k := range 1000 {
		table.Insert(uint32(k), k, k)
	}
	for table.Len() > 400 {
		table.Remove(table.Back())
	}
	table.SetLimit(500)
	assert.False(t, table.Sparse(), "half of it is in use, or may be")
	table.SetLimit(499)
	require.True(t, table.Sparse())
	table.Shrink()
	assert.Equal(t, 499, table.room())
	assert.Equal(t, 400, table.Len())
	assert.False(t, table.Sparse())
	require.NoError(t, table.Validate())
}

// The entries of a shard fluctuate; a table of a few nodes must not shrink and
// grow for ever.
func TestSmallTableIsNotSparse(t *testing.T) {
	for n, want := range map[int]bool{1: false, small: false, small + 1: true} {
		table := New[int, int](n, false)
		for k := range n {
			table.Insert(uint32(k), k, k)
		}
		for table.Len() > 0 {
			table.Remove(table.Back())
		}
		assert.Equal(t, n, table.room())
		assert.Equal(t, want, table.Sparse(), "%d nodes", n)
	}
}

func TestShrinkThreshold(t *testing.T) {
	table := New[int, int](807, false)
	for k := range 807 {
		table.Insert(uint32(k), k, k)
	}
	for k := 807 - 1; k >= 100; k-- { // down to exactly one in eight, rounded down
		table.Remove(table.Find(uint32(k), k))
	}
	assert.False(t, table.Sparse())
	table.Shrink()
	assert.Equal(t, 808, cap(table.nodes))
	table.Remove(table.Find(0, 0))
	assert.True(t, table.Sparse())
	table.Shrink()
	assert.Equal(t, 2*99+1, cap(table.nodes))
	assert.False(t, table.Sparse())
}

// Whether a table has tags survives every rebuild.
func TestTagsAfterRebuilds(t *testing.T) {
	for _, tagged := range []bool{false, true} {
		table := New[int, int](500, tagged)
		fill := func() {
			for k := table.Len(); k < 500; k++ {
				i := table.Insert(uint32(k), k, k)
				if tagged {
					table.SetTag(i, uint64(k))
				}
			}
			require.Equal(t, tagged, table.tagged)
			require.Equal(t, tagged, table.tags != nil)
		}
		fill()
		for table.Len() > 10 {
			table.Remove(table.Front())
		}
		table.Shrink()
		for table.Len() < 20 { // up to what is allocated
			table.SetLimit(20)
			i := table.Insert(uint32(table.Len()), table.Len(), 0)
			if tagged {
				table.SetTag(i, 1)
			}
		}
		table.Remove(table.Back())
		table.SetLimit(500)
		fill()
		table.Clear()
		fill()
		table.Remove(table.Back())
		require.NoError(t, table.Validate())
	}
}

func TestShrinkOfAnEmptiedTable(t *testing.T) {
	table := New[int, int](100, true)
	for k := range 100 {
		table.Insert(uint32(k), k, k)
	}
	for table.Len() > 0 {
		table.Remove(table.Back())
	}
	table.Shrink()
	assert.Equal(t, minNodes+1, cap(table.nodes))
	require.NoError(t, table.Validate())
	table.Insert(1, 1, 1)
	assert.Equal(t, []int{1}, keysOf(t, &table))
}

// A key that is not equal to itself is never found, and leaves by index.
func TestKeyUnequalToItself(t *testing.T) {
	table := New[float64, int](10, false)
	nan := math.NaN()
	for n := range 10 {
		table.Insert(5, nan, n)
	}
	assert.Zero(t, table.Find(5, nan))
	for n := range 10 {
		i := table.Back()
		assert.Equal(t, n, table.At(i).Value)
		table.Remove(i)
		require.NoError(t, table.Validate())
	}
	assert.Zero(t, table.Len())
}

// Nothing stays reachable through a node whose entry has left.
func TestRemovedEntriesAreCollected(t *testing.T) {
	type block = [64]byte // too large for the allocator to pack with others
	table := New[*block, *block](4, false)
	leave := func() (weak.Pointer[block], weak.Pointer[block]) {
		key, value := new(block), new(block)
		i := table.Insert(1, key, value)
		k, v := weak.Make(key), weak.Make(value)
		if table.Len() > 1 {
			table.Replace(i, 2, new(block), nil)
		} else {
			table.Remove(i)
		}
		return k, v
	}
	k1, v1 := leave()
	table.Insert(9, new(block), nil)
	k2, v2 := leave()
	runtime.GC()
	assert.Nil(t, k1.Value())
	assert.Nil(t, v1.Value())
	assert.Nil(t, k2.Value())
	assert.Nil(t, v2.Value())
	runtime.KeepAlive(&table)
}

func TestNodeSize(t *testing.T) {
	assert.Equal(t, uintptr(32), unsafe.Sizeof(Node[int64, int64]{}), "two nodes to a cache line")
}

func TestInsertIntoGrownTableAllocatesNothing(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the checks allocate")
	}
	table := New[int, int](64, true)
	for k := range 64 {
		table.Insert(uint32(k), k, k)
	}
	next := 64
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		table.Remove(table.Back())
		i := table.Insert(uint32(next), next, next)
		table.Replace(table.Back(), uint32(next+1), next+1, 0)
		table.MoveToFront(i)
		next += 2
	}))
}

// The machine compares every operation with a slice of keys and validates the structure after each step.
func TestTableModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range hashes {
				if !yield(name) {
					return
				}
			}
		})
		hash := hashes[rapid.SampledFrom(names).Draw(t, "hash")]
		table := New[int, int](rapid.IntRange(1, 40).Draw(t, "limit"), rapid.Bool().Draw(t, "tagged"))
		model := []int{} // front first; the value of key k is -k, its tag is k
		tag := func(i uint32) {
			if table.tagged {
				table.SetTag(i, uint64(table.At(i).Key()))
			}
		}
		key := rapid.IntRange(0, 60)
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if !slices.Contains(model, k) {
					tag(table.Insert(hash(k), k, -k))
					model = slices.Insert(model, 0, k)
				}
			},
			"fill": func(t *rapid.T) {
				for k := 100; k < rapid.IntRange(100, 300).Draw(t, "to"); k++ {
					if !slices.Contains(model, k) {
						tag(table.Insert(hash(k), k, -k))
						model = slices.Insert(model, 0, k)
					}
				}
			},
			"drain": func(t *rapid.T) {
				for n := rapid.IntRange(0, len(model)).Draw(t, "n"); n > 0; n-- {
					table.Remove(table.Back())
					model = model[:len(model)-1]
				}
			},
			"limit": func(t *rapid.T) { table.SetLimit(rapid.IntRange(1, 300).Draw(t, "limit")) },
			"move": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if at := slices.Index(model, k); at >= 0 {
					table.MoveToFront(table.Find(hash(k), k))
					model = slices.Insert(slices.Delete(model, at, at+1), 0, k)
				}
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if at := slices.Index(model, k); at >= 0 {
					table.Remove(table.Find(hash(k), k))
					model = slices.Delete(model, at, at+1)
				}
			},
			"replace the last": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if len(model) > 0 && !slices.Contains(model, k) {
					table.Replace(table.Back(), hash(k), k, -k)
					tag(table.Front())
					model = slices.Insert(model[:len(model)-1], 0, k)
				}
			},
			"shrink": func(*rapid.T) { table.Shrink() },
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rare") == 0 {
					table.Clear()
					model = model[:0]
				}
			},
			"": func(t *rapid.T) {
				require.NoError(t, table.Validate())
				require.Equal(t, model, keysOf(t, &table))
				for k := range 61 {
					require.Equal(t, slices.Contains(model, k), table.Find(hash(k), k) != 0)
				}
				for _, k := range model {
					i := table.Find(hash(k), k)
					require.Equal(t, -k, table.At(i).Value)
					if table.tagged {
						require.Equal(t, uint64(k), table.Tag(i))
					}
				}
			},
		})
	})
}

// The validator must see each kind of damage, or the tests that rely on it prove nothing.
func TestValidateSeesDamage(t *testing.T) {
	damage := map[string]func(*Table[int, int]){
		"count":            func(t *Table[int, int]) { t.live++ },
		"prev link":        func(t *Table[int, int]) { t.nodes[t.Front()].prev = t.Back() },
		"next out of list": func(t *Table[int, int]) { t.nodes[t.Back()].next = uint32(len(t.nodes)) },
		"cycle":            func(t *Table[int, int]) { t.nodes[t.Back()].next = t.Front() },
		"back":             func(t *Table[int, int]) { t.nodes[0].prev = t.Front() },
		"hash":             func(t *Table[int, int]) { t.nodes[t.Front()].hash++ },
		"bucket emptied":   func(t *Table[int, int]) { t.buckets[t.bucket(t.nodes[t.Front()].hash)] = 0 },
		"bucket to free":   func(t *Table[int, int]) { t.buckets[len(t.buckets)-1] = t.free },
		"few buckets":      func(t *Table[int, int]) { t.buckets = t.buckets[:8]; t.rechain() },
		"odd buckets":      func(t *Table[int, int]) { t.buckets = append(t.buckets, 0) },
		"free list lost":   func(t *Table[int, int]) { t.free = 0 },
		"free list cycle":  func(t *Table[int, int]) { t.nodes[t.free].chain = t.free },
		"free node in use": func(t *Table[int, int]) { t.free = t.Front() },
	}
	for name, harm := range damage {
		t.Run(name, func(t *testing.T) {
			table := New[int, int](8, false)
			for k := range 5 {
				table.Insert(uint32(k), k, k)
			}
			table.Remove(table.Back())
			require.NoError(t, table.Validate())
			harm(&table)
			assert.Error(t, table.Validate())
		})
	}
}

// rechain hooks all entries into the buckets as they are now, for tables that are damaged in another way.
func (t *Table[K, V]) rechain() {
	clear(t.buckets)
	for i := t.Front(); i != 0; i = t.Next(i) {
		t.chain(i)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("abcabcAABBdefghijklmnop"))
	f.Add([]byte{0, 255, 128, 64, 32, 16, 8, 4, 2, 1, 0, 255, 3})
	f.Fuzz(func(t *testing.T, ops []byte) {
		table := New[int, int](16, true)
		for _, op := range ops {
			k := int(op & 31)
			i := table.Find(uint32(k%5), k)
			switch {
			case i == 0 && table.Len() < 16:
				table.Insert(uint32(k%5), k, k)
			case i == 0:
				table.Replace(table.Back(), uint32(k%5), k, k)
			case op < 128:
				table.MoveToFront(i)
			default:
				table.Remove(i)
				table.Shrink()
			}
			require.NoError(t, table.Validate())
		}
		keysOf(t, &table)
	})
}

func BenchmarkRebuild(b *testing.B) {
	const n = 1 << 16
	rng := rand.New(rand.NewPCG(1, 1))
	b.Run("op=grow", func(b *testing.B) {
		for b.Loop() {
			table := New[int, int](n, false)
			for k := range n {
				table.Insert(rng.Uint32(), k, k)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
	})
}
