package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/hashring"
)

// hashringRing is the work that all rings can do.
type hashringRing interface{ Get(key string) string }

// hashringReplicas finds n nodes for a key and returns how many, and the first.
type hashringReplicas interface {
	Replicas(key string, n int) (int, string)
}

// hashringChange adds a node and removes it again. The ring may be another one after it.
type hashringChange interface{ AddRemove(id string) }

// hashringImpl is one implementation. Which of the interfaces above its ring has says what it can do.
type hashringImpl struct {
	name string
	make func(vnodes int, ids []string) hashringRing
}

func hashringImpls() []hashringImpl {
	return []hashringImpl{
		{"mainstay", newHashringMainstay},
		{"groupcache", newHashringGroupcache},
		{"authzed", newHashringAuthzed},
		{"serialx", newHashringSerialx},
	}
}

func hashringIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("10.0.%d.%d:6379", i/256, i%256)
	}
	return ids
}

// hashringKeys are keys of 16 bytes, as many as a power of two.
func hashringKeys() []string {
	keys := make([]string, 1<<14)
	for i := range keys {
		keys[i] = fmt.Sprintf("user:%011d", i)
	}
	return keys
}

// hashringOwners asks for every key once and checks that the answers are nodes, and that no node gets more than three
// times its part.
func hashringOwners(tb testing.TB, get func(string) string, ids, keys []string) []string {
	tb.Helper()
	count := map[string]int{}
	for _, id := range ids {
		count[id] = 0
	}
	owners := make([]string, len(keys))
	for i, key := range keys {
		owners[i] = get(key)
		_, found := count[owners[i]]
		require.True(tb, found, "%q", owners[i])
		count[owners[i]]++
	}
	for id, n := range count {
		require.LessOrEqual(tb, n, 3*len(keys)/len(ids)+20, id)
	}
	return owners
}

// BenchmarkHashringGet finds the owner of a key of 16 bytes.
func BenchmarkHashringGet(b *testing.B) {
	keys := hashringKeys()
	for _, nodes := range []int{10, 100, 1000, 10_000} {
		for _, impl := range hashringImpls() {
			if nodes > 1000 && (impl.name == "serialx" || impl.name == "authzed") {
				continue // they take most of a minute to build
			}
			b.Run(fmt.Sprintf("impl=%s/nodes=%d", impl.name, nodes), func(b *testing.B) {
				r := impl.make(160, hashringIDs(nodes))
				owners := hashringOwners(b, r.Get, hashringIDs(nodes), keys)
				b.ReportAllocs()
				i, wrong := 0, 0
				for b.Loop() {
					at := i & (len(keys) - 1)
					if r.Get(keys[at]) != owners[at] {
						wrong++
					}
					i++
				}
				require.Zero(b, wrong)
			})
		}
	}
}

// BenchmarkHashringGetParallel is all goroutines on one ring.
func BenchmarkHashringGetParallel(b *testing.B) {
	keys, ids := hashringKeys(), hashringIDs(100)
	for _, impl := range hashringImpls() {
		b.Run(fmt.Sprintf("impl=%s/nodes=100", impl.name), func(b *testing.B) {
			r := impl.make(160, ids)
			owners := hashringOwners(b, r.Get, ids, keys)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(keys)); pb.Next(); i++ {
					if at := i & (len(keys) - 1); r.Get(keys[at]) != owners[at] {
						b.Error("another owner")
					}
				}
			})
		})
	}
}

// BenchmarkHashringReplicas finds the nodes of three replicas of a key.
func BenchmarkHashringReplicas(b *testing.B) {
	keys, ids := hashringKeys(), hashringIDs(100)
	for _, impl := range hashringImpls() {
		r := impl.make(160, ids)
		finder, ok := r.(hashringReplicas)
		if !ok {
			continue
		}
		b.Run(fmt.Sprintf("impl=%s/nodes=100/n=3", impl.name), func(b *testing.B) {
			b.ReportAllocs()
			i, wrong := 0, 0
			for b.Loop() {
				if n, _ := finder.Replicas(keys[i&(len(keys)-1)], 3); n != 3 {
					wrong++
				}
				i++
			}
			require.Zero(b, wrong)
			_, owner := finder.Replicas(keys[0], 3)
			require.Equal(b, r.Get(keys[0]), owner)
		})
	}
}

// BenchmarkHashringAddRemove adds a node to 59 others and removes it.
func BenchmarkHashringAddRemove(b *testing.B) {
	keys, ids := hashringKeys(), hashringIDs(60)
	for _, impl := range hashringImpls() {
		b.Run(fmt.Sprintf("impl=%s/nodes=60", impl.name), func(b *testing.B) {
			r := impl.make(200, ids[1:])
			changer, ok := r.(hashringChange)
			if !ok {
				b.Skip("cannot remove")
			}
			owners := hashringOwners(b, r.Get, ids[1:], keys)
			b.ReportAllocs()
			for b.Loop() {
				changer.AddRemove(ids[0])
			}
			require.Equal(b, owners, hashringOwners(b, r.Get, ids[1:], keys), "as before")
		})
	}
}

// BenchmarkHashringBuild makes a ring of 120 nodes.
func BenchmarkHashringBuild(b *testing.B) {
	keys, ids := hashringKeys(), hashringIDs(120)
	for _, impl := range hashringImpls() {
		b.Run(fmt.Sprintf("impl=%s/nodes=120", impl.name), func(b *testing.B) {
			b.ReportAllocs()
			var r hashringRing
			for b.Loop() {
				r = impl.make(200, ids)
			}
			hashringOwners(b, r.Get, ids, keys)
		})
	}
}

// BenchmarkHashringJump is jump hash into 1000 buckets.
func BenchmarkHashringJump(b *testing.B) {
	for name, jump := range map[string]func(uint64, int) int{"mainstay": hashring.Jump, "go-jump": goJump} {
		b.Run(fmt.Sprintf("impl=%s/nodes=1000", name), func(b *testing.B) {
			b.ReportAllocs()
			hash, wrong := uint64(0), 0
			for b.Loop() {
				hash += 0x9e3779b97f4a7c15
				if n := jump(hash, 1000); n < 0 || n >= 1000 {
					wrong++
				}
			}
			require.Zero(b, wrong)
		})
	}
}

// BenchmarkHashringRendezvous is rendezvous hashing of a key of 16 bytes over 24 nodes.
func BenchmarkHashringRendezvous(b *testing.B) {
	keys, ids := hashringKeys(), hashringIDs(24)
	for name, build := range map[string]func([]string) func(string) string{
		"mainstay": newHashringRendezvous, "go-rendezvous": newGoRendezvous,
	} {
		b.Run(fmt.Sprintf("impl=%s/nodes=24", name), func(b *testing.B) {
			get := build(ids)
			owners := hashringOwners(b, get, ids, keys)
			b.ReportAllocs()
			i, wrong := 0, 0
			for b.Loop() {
				at := i & (len(keys) - 1)
				if get(keys[at]) != owners[at] {
					wrong++
				}
				i++
			}
			require.Zero(b, wrong)
		})
	}
}

// Both jump hashes are the one of the paper.
func TestHashringJumpPeersAgree(t *testing.T) {
	hash := uint64(1)
	for n := range 5000 {
		hash = hash*6364136223846793005 + 1442695040888963407
		require.Equal(t, goJump(hash, n+1), hashring.Jump(hash, n+1))
	}
}

// Every ring answers with nodes, spreads the keys, and is as before after a node came and went.
func TestHashringPeersAnswer(t *testing.T) {
	keys, ids := hashringKeys(), hashringIDs(20)
	for _, impl := range hashringImpls() {
		r := impl.make(200, ids[1:])
		owners := hashringOwners(t, r.Get, ids[1:], keys)
		if changer, ok := r.(hashringChange); ok {
			changer.AddRemove(ids[0])
			require.Equal(t, owners, hashringOwners(t, r.Get, ids[1:], keys), impl.name)
		}
		if finder, ok := r.(hashringReplicas); ok {
			n, owner := finder.Replicas(keys[0], 3)
			require.Equal(t, 3, n, impl.name)
			require.Equal(t, owners[0], owner, impl.name)
		}
	}
}
