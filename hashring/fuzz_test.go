package hashring

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzTable reads seats of nine bytes, a number of points and a position that
// the first, or the second, of them takes, and compares the table with a linear
// scan: positions as hostile as they come, since an ID can be made for each.
func FuzzTable(f *testing.F) {
	add := func(points byte, positions ...uint64) {
		data := []byte{}
		for _, p := range positions {
			data = binary.BigEndian.AppendUint64(append(data, points), p)
		}
		f.Add(data)
	}
	add(1, 0)
	add(1, 1<<64-1)
	add(1, 0, 1<<64-1, 1<<63)
	add(3, 5, 5, 5, 5)
	add(130, 5, 5, 5, 6)
	add(1, 7<<32, 7<<32+1, 7<<32+2, 8<<32-1, 6<<32)
	add(0, 1, 2)
	f.Fuzz(func(t *testing.T, data []byte) {
		seats := []seat{}
		for ; len(data) >= 9 && len(seats) < 300; data = data[9:] {
			hash := unmix64(binary.BigEndian.Uint64(data[1:])) - golden
			if data[0] >= 128 {
				hash -= golden
			}
			seats = append(seats, seat{hash: hash, points: uint32(data[0] % 16)})
		}
		checkTable(t, seats)
	})
}

// FuzzRing makes two rings of the same input, three bytes to a node, compares
// both with the reference for keys of the input, and then what moved.
func FuzzRing(f *testing.F) {
	f.Add([]byte("a0xb1yc2z"), []byte("a0xd9y"), "user:42", uint8(3))
	f.Add([]byte{}, []byte("a\xff\xff"), "", uint8(0))
	f.Add([]byte("aAxaAx"), []byte("b\x80\x01"), "\xff\x00", uint8(255))
	f.Fuzz(func(t *testing.T, one, two []byte, key string, n uint8) {
		a, naiveA := fuzzRing(t, one)
		b, naiveB := fuzzRing(t, two)
		for _, ring := range []struct {
			r     *Ring[string]
			naive *naive
		}{{a, naiveA}, {b, naiveB}} {
			require.Equal(t, ring.naive.owner(Hash(key)), ownerOf(ring.r, key))
			require.Equal(t, ring.naive.walk(Hash(key)), walkIDs(ring.r, key))
			require.Equal(t, ring.naive.replicas(Hash(key), int(n)), replicaIDs(ring.r, key, int(n)))
			require.Equal(t, ring.naive.shares(), maps.Collect(ring.r.Snapshot().Shares()))
		}
		got := slices.AppendSeq([]Move{}, a.Snapshot().Diff(b.Snapshot()))
		require.Equal(t, naiveMoves(naiveA, naiveB), got)
		for range n {
			lease, ok := a.Acquire(key)
			require.Equal(t, naiveA.acquire(Hash(key)), lease.Node().ID)
			require.Equal(t, len(naiveA.walk(0)) > 0, ok)
		}
	})
}

// fuzzRing reads an ID, a weight in eighths with the highest bit for drained,
// and a zone. An ID that comes again is an update.
func fuzzRing(t *testing.T, data []byte) (*Ring[string], *naive) {
	t.Helper()
	r, naive := mustNew(t, Config[string]{VirtualNodes: 3}), newNaive(3)
	for ; len(data) >= 3 && r.Len() < 12; data = data[3:] {
		id := string(data[:1])
		node := Node[string]{ID: id, Value: id, Weight: float64(data[1]&127) / 8, Drained: data[1] >= 128, Zone: string(data[2] % 4)}
		if _, found := naive.nodes[id]; found {
			require.NoError(t, r.Update(node))
		} else {
			require.NoError(t, r.Add(node))
		}
		naive.nodes[id] = node
	}
	return r, naive
}
