//go:build !race

// Traces are replayed by one goroutine: there is no race to detect.

package lru

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hits replays a trace, look up and store on a miss, and returns how many look-ups were hits.
func hits(t *testing.T, capacity, shards int, trace []uint32) int {
	t.Helper()
	c := mustNew(t, Config[uint32, struct{}]{Capacity: capacity, Shards: shards})
	for _, key := range trace {
		if _, ok := c.Get(key); !ok {
			c.Set(key, struct{}{})
		}
	}
	return int(c.Stats().Hits)
}

// Traces that an LRU is famous for failing on; the counts follow from arithmetic.
func TestGeneratedTraces(t *testing.T) {
	loop, scan, zigzag := make([]uint32, 505_500), make([]uint32, 50_025), make([]uint32, 52_001)
	for i := range loop {
		loop[i] = uint32(i % 1011)
	}
	for i := range scan {
		scan[i] = uint32(i % 2001)
	}
	for i := range zigzag {
		zigzag[i] = uint32(min(i%4000, 4000-i%4000))
	}
	for _, test := range []struct {
		name     string
		trace    []uint32
		capacity int
		want     int
	}{
		{"loop, one too small", loop, 1010, 0},
		{"loop, just enough", loop, 1011, 504_489},
		{"scan, one too small", scan, 2000, 0},
		{"scan, just enough", scan, 2001, 48_024},
		{"zigzag", zigzag, 100, 2475},
		{"zigzag", zigzag, 256, 6375},
		{"zigzag", zigzag, 512, 12_775},
		{"zigzag", zigzag, 1000, 24_975},
		{"zigzag", zigzag, 2000, 49_975},
	} {
		for _, shards := range []int{0, 16} {
			t.Run(fmt.Sprintf("%s/cap=%d/shards=%d", test.name, test.capacity, shards), func(t *testing.T) {
				assert.Equal(t, test.want, hits(t, test.capacity, shards, test.trace))
			})
		}
	}
}

// Mattson's stack distances (Evaluation techniques for storage hierarchies, IBM Systems Journal 1970) give the hits of
// every capacity in one pass, by another road: a key hits if fewer than capacity others were used since its last use.
func stackDistances(trace []uint32) (counts []int) {
	fenwick := make([]int, len(trace)+1)
	add := func(i, d int) {
		for i++; i < len(fenwick); i += i & -i {
			fenwick[i] += d
		}
	}
	sum := func(i int) (s int) { // of the first i
		for ; i > 0; i -= i & -i {
			s += fenwick[i]
		}
		return s
	}
	last := map[uint32]int{}
	counts = make([]int, len(trace)+1)
	for now, key := range trace {
		if before, ok := last[key]; ok {
			counts[sum(now)-sum(before)]++ // keys used since then, itself included
			add(before, -1)
		}
		add(now, 1)
		last[key] = now
	}
	return counts
}

func mattsonHits(counts []int, capacity int) (hits int) {
	for distance := 1; distance <= capacity && distance < len(counts); distance++ {
		hits += counts[distance]
	}
	return hits
}

func TestHitsEqualStackDistances(t *testing.T) {
	rng := lcg(7)
	trace := make([]uint32, 60_000)
	for i := range trace {
		trace[i] = uint32(rng.next(1 + rng.next(1+rng.next(5000)))) // skewed
	}
	counts := stackDistances(trace)
	for _, capacity := range []int{1, 2, 7, 64, 500, 1000, 4999} {
		for _, shards := range []int{0, 8} {
			assert.Equal(t, mattsonHits(counts, capacity), hits(t, capacity, shards, trace), "capacity %d", capacity)
		}
	}
}

// Hits on the IBM OLTP trace (Megiddo and Modha, FAST 2003) and on gli (Jiang and Zhang, SIGMETRICS 2002), as published
// with bitfaster/BitFaster.Caching pull requests 131 and 132.
func TestPublishedTraces(t *testing.T) {
	oltp := readTrace(t, "arc_oltp.gz", true)
	gli := readTrace(t, "lirs_gli.gz", false)
	for capacity, want := range map[int]int{
		250: 150_591, 500: 214_325, 750: 258_527, 1000: 300_122, 1250: 331_009, 1500: 353_738, 1750: 372_863,
		2000: 388_235, 5000: 490_443, 10_000: 554_906,
	} {
		assert.Equal(t, want, hits(t, capacity, 0, oltp), "OLTP %d", capacity)
	}
	assert.Equal(t, 150_591, hits(t, 250, 64, oltp), "64 shards lose nothing")
	for i, want := range []int{55, 57, 69, 674, 1278, 2199, 2709, 3453} {
		assert.Equal(t, want, hits(t, 250*(i+1), 0, gli), "gli %d", 250*(i+1))
	}
}

// readTrace reads a trace from the folder $MAINSTAY_TRACES: lines "start count …" if ranges is set, else a key a line.
func readTrace(t *testing.T, name string, ranges bool) (trace []uint32) {
	t.Helper()
	dir := os.Getenv("MAINSTAY_TRACES")
	if dir == "" {
		t.Skip("set MAINSTAY_TRACES to a folder with arc_oltp.gz and lirs_gli.gz")
	}
	file, err := os.Open(filepath.Join(dir, name))
	require.NoError(t, err)
	defer file.Close()
	lines, err := gzip.NewReader(file)
	require.NoError(t, err)
	scanner := bufio.NewScanner(lines)
	for scanner.Scan() {
		first, count := uint32(0), uint32(1)
		if ranges {
			_, err = fmt.Sscan(scanner.Text(), &first, &count)
		} else if text := scanner.Text(); text != "*" && text != "" {
			_, err = fmt.Sscan(scanner.Text(), &first)
		} else {
			continue // a marker, or the end
		}
		require.NoError(t, err)
		for key := range count {
			trace = append(trace, first+key)
		}
	}
	require.NoError(t, scanner.Err())
	return trace
}
