package hashring

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoldenJump(t *testing.T) {
	for _, test := range []struct {
		hash uint64
		n    int
		want int
	}{
		{1, 10, 6},
		{1, 1000, 549},
		{0xdeadbeef, 1000, 285},
		{math.MaxUint64, 1000, 313},
		{0, 1, 0},
		{12345, 1, 0},
		{1, 0, -1},
		{1, -1, -1},
		{1, math.MinInt, -1},
	} {
		assert.Equal(t, test.want, Jump(test.hash, test.n), "%+v", test)
	}
}

// paperJump is the code of the paper, in Go.
func paperJump(key uint64, buckets int64) int {
	b, j := int64(-1), int64(0)
	for j < buckets {
		b = j
		key = key*2862933555777941757 + 1
		j = int64(float64(b+1) * (float64(int64(1)<<31) / float64((key>>33)+1)))
	}
	return int(b)
}

func TestJumpEqualsThePaper(t *testing.T) {
	generator := splitmix(1)
	for range 20_000 {
		hash := generator.next()
		n := int(generator.next() >> (33 + generator.next()%30))
		require.Equal(t, max(paperJump(hash, int64(n)), -1), Jump(hash, n))
	}
}

// A hash whose first jump ends exactly at 2: with two buckets it stays in the
// first, since there is no bucket 2, and with three it goes there.
func TestJumpToTheVeryEnd(t *testing.T) {
	const draw = 1<<30 - 1 // the jump from 0 ends at 2^31 / (draw+1)
	hash := (uint64(draw<<33) - 1) * inverse(2862933555777941757)
	assert.Equal(t, 0, Jump(hash, 2))
	assert.Equal(t, 2, Jump(hash, 3))
	assert.Equal(t, paperJump(hash, 3), Jump(hash, 3))
}

// From n to n+1 buckets a hash stays or goes to the new one.
func TestJumpMovesOnlyToTheNewBucket(t *testing.T) {
	generator := splitmix(2)
	for range 2000 {
		hash, bucket := generator.next(), 0
		for n := 1; n < 100; n++ {
			next := Jump(hash, n)
			require.True(t, next == bucket || next == n-1, "%d of %d, then %d", bucket, n-1, next)
			bucket = next
		}
	}
}

// The paper's code overflows from about 2^32 buckets on; ours ends for every n.
func TestJumpOfAnyNumberOfBuckets(t *testing.T) {
	generator := splitmix(3)
	for range 5000 {
		hash := generator.next()
		for _, n := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt / 2, math.MaxInt32} {
			bucket := Jump(hash, n)
			require.True(t, 0 <= bucket && bucket < n, "%d of %d", bucket, n)
		}
	}
}

func TestGoldenRendezvous(t *testing.T) {
	nodes := []uint64{Hash("node-a"), Hash("node-b"), Hash("node-c")}
	for key, want := range map[string]int{"user:1": 1, "user:2": 1, "user:3": 2, "user:42": 2} {
		assert.Equal(t, want, Rendezvous(Hash(key), nodes), key)
	}
	assert.Equal(t, -1, Rendezvous(1, nil))
	assert.Equal(t, 0, Rendezvous(1, []uint64{7}))
	assert.Equal(t, 0, Rendezvous(1, []uint64{7, 7, 7}), "the first of equals")
	assert.Equal(t, 0, Rendezvous(7, []uint64{7}), "a bid of zero is a bid")
	assert.Equal(t, 1, Rendezvous(7, []uint64{7, 8}))
	assert.Equal(t, 1, Rendezvous(7, []uint64{7, 7 ^ unmix64(1)}), "the least of bids above it")
}

// The winner does not depend on the order, and a node that leaves hands on only
// what it had won. dgryski/go-rendezvous panics in Remove.
func TestRegressionRendezvousWithoutANode(t *testing.T) {
	nodes := []uint64{}
	for _, id := range benchIDs(24) {
		nodes = append(nodes, Hash(id))
	}
	generator := splitmix(4)
	for range 500 {
		hash := generator.next()
		winner := nodes[Rendezvous(hash, nodes)]
		for i, node := range nodes {
			rest := append([]uint64{}, nodes[i+1:]...) // also another order
			rest = append(rest, nodes[:i]...)
			if node != winner {
				require.Equal(t, winner, rest[Rendezvous(hash, rest)])
			}
		}
	}
}

// With fixed hashes the counts are what they are: within four standard
// deviations of even, for both.
func TestOthersAreEven(t *testing.T) {
	const keys, n = 24_000, 24
	nodes := []uint64{}
	for _, id := range benchIDs(n) {
		nodes = append(nodes, Hash(id))
	}
	var jump, rendezvous [n]int
	generator := splitmix(5)
	for range keys {
		hash := generator.next()
		jump[Jump(hash, n)]++
		rendezvous[Rendezvous(hash, nodes)]++
	}
	for i := range n {
		assert.InDelta(t, keys/n, jump[i], 4*math.Sqrt(keys/n))
		assert.InDelta(t, keys/n, rendezvous[i], 4*math.Sqrt(keys/n))
	}
}
