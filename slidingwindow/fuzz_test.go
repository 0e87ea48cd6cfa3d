package slidingwindow

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzFold runs a program of pushes, pops and resets on both kinds of Fold and on a slice.
func FuzzFold(f *testing.F) {
	f.Add(uint8(3), []byte("abcdefghij"))
	f.Add(uint8(1), []byte("ab\x00c\x01d\x00\x00"))
	f.Add(uint8(7), []byte("abcdefghijklmno\x00\x00\x00\x00\x00\x00\x00\x00pqrst"))
	f.Fuzz(func(t *testing.T, size uint8, program []byte) {
		config := FoldConfig[string]{Size: int(size%40) + 1, Combine: concat}
		lite := newFold(t, config)
		config.WorstCase = true
		worst := newFold(t, config)
		var values []string
		for _, op := range program[:min(len(program), 500)] {
			switch op {
			case 0:
				values = values[min(1, len(values)):]
				lite.Pop()
				worst.Pop()
			case 1:
				values = nil
				lite.Reset()
				worst.Reset()
			default:
				values = append(values, string(rune(op)))
				values = window(values, len(values), lite.Cap())
				lite.Push(string(rune(op)))
				worst.Push(string(rune(op)))
			}
			for _, fold := range []*Fold[string]{lite, worst} {
				got, _ := fold.Value()
				require.Equal(t, strings.Join(values, ""), got)
				require.Equal(t, len(values), fold.Len())
			}
			require.NoError(t, worst.daba.validate())
		}
	})
}

// FuzzCounter counts at any times whatever, in both modes, with any window, and compares with the raw events. Twelve bytes
// of program are one event: four of sleep, eight of time.
func FuzzCounter(f *testing.F) {
	program := func(steps ...[2]int64) (p []byte) {
		for _, s := range steps {
			p = binary.BigEndian.AppendUint32(p, uint32(s[0]))
			p = binary.BigEndian.AppendUint64(p, uint64(s[1]))
		}
		return p
	}
	f.Add(int64(1000), int64(10), false, program([2]int64{0, 0}, [2]int64{1000, -900}, [2]int64{999, 5}))
	f.Add(int64(7), int64(7), true, program([2]int64{0, math.MinInt64}, [2]int64{0, math.MaxInt64}, [2]int64{0, 0}))
	f.Add(int64(1<<62), int64(2), true, program([2]int64{0, 1}, [2]int64{0, -1}, [2]int64{0, math.MinInt64}))
	f.Fuzz(func(t *testing.T, window, buckets int64, eventTime bool, program []byte) {
		synctest.Test(t, func(t *testing.T) {
			c, err := NewCounter(CounterConfig{Window: time.Duration(window), Buckets: int(buckets), EventTime: eventTime, MaxAhead: math.MaxInt64})
			if err != nil {
				require.ErrorIs(t, err, ErrConfig)
				return
			}
			base := time.Now()
			var times []int64
			calls := uint64(0)
			for ; len(program) >= 12 && calls < 100; program = program[12:] {
				time.Sleep(time.Duration(binary.BigEndian.Uint32(program)))
				at := int64(binary.BigEndian.Uint64(program[4:]))
				if eventTime {
					c.AddAt(time.Unix(0, at), 1)
				} else {
					at %= int64(100 * year)
					c.AddAt(base.Add(time.Duration(at)), 1)
					at = min(at, int64(time.Since(base)))
				}
				calls++
				times = append(times, at)
			}
			checkFuzzed(t, c, times, int64(time.Since(base)))
		})
	})
}

// checkFuzzed adds up the definition: what is in the window at the end was never late.
func checkFuzzed(t *testing.T, c *Counter, times []int64, now int64) {
	t.Helper()
	g, end := &c.ring.grid, now
	if g.eventTime {
		end = math.MinInt64
		for _, at := range times {
			end = max(end, at)
		}
	}
	want := int64(0)
	for _, at := range times {
		if uint64(g.number(end)-g.number(at)) < uint64(g.buckets) {
			want++
		}
	}
	require.Equal(t, want, c.Sum())
	rate := c.Rate()
	require.True(t, rate >= 0 && !math.IsInf(rate, 0))
	if g.buckets <= 1000 {
		var all int64
		for _, n := range c.All() {
			all += n
		}
		require.Equal(t, want, all)
	}
	require.LessOrEqual(t, c.Stats().Late, uint64(len(times))-uint64(want))
	require.Zero(t, c.Stats().Early)
}

// FuzzTopK counts keys of one byte and checks the bounds of each.
func FuzzTopK(f *testing.F) {
	f.Add(uint8(3), []byte("abracadabra, simsalabim"))
	f.Add(uint8(0), []byte("aaaabbbbccccddddaaaa"))
	f.Add(uint8(200), []byte("the quick brown fox jumps over the lazy dog"))
	f.Fuzz(func(t *testing.T, capacity uint8, keys []byte) {
		k := newTopK[int](t, TopKConfig{Window: 4 * time.Second, Buckets: 4, EventTime: true, Capacity: int(capacity) + 1})
		exact, events := truth{}, int64(0)
		for i, key := range keys[:min(len(keys), 1000)] {
			n := int64(i%3 + 1)
			k.AddAt(time.Unix(int64(i%4), 0), int(key), n)
			exact[int(key)] += n
			events += n
		}
		for _, s := range k.ring {
			if s != nil {
				require.NoError(t, s.validate())
			}
		}
		checkBounds(t, k, exact, events, int(capacity)+1, 256)
	})
}
