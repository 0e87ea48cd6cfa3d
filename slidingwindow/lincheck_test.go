package slidingwindow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// call is one operation of a history, at an instant that does not pass.
type call struct {
	op  string
	key int
	n   int64
}

// counts is the sequential object: a number for each key, which an Add raises and a Reset clears.
type counts [3]int64

var sequential = porcupine.Model{
	Init: func() any { return counts{} },
	Step: func(state, in, out any) (bool, any) {
		s, c := state.(counts), in.(call)
		switch c.op {
		case "Add":
			s[c.key] += c.n
			return true, s
		case "Reset":
			return true, counts{}
		case "Total":
			return out == s[0]+s[1]+s[2], s
		default:
			return out == s[c.key], s
		}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v = %v", in, out) },
}

// check records what clients do concurrently and asks for a sequential order that explains it.
func check(t *testing.T, ops []string, do func(call) int64) {
	t.Helper()
	clients, rounds, histories := 4, 25, 3
	if chaos.Enabled {
		rounds, histories = 50, 6
	}
	for range histories {
		var mu sync.Mutex
		var history []porcupine.Operation
		start := time.Now()
		do(call{op: "Reset"})
		hammer.Run(t, clients, rounds, func(client int, rng *rand.Rand) error {
			in := call{ops[rng.IntN(len(ops))], rng.IntN(3), rng.Int64N(9) + 1}
			began := int64(time.Since(start))
			out := do(in)
			ended := int64(time.Since(start))
			mu.Lock()
			defer mu.Unlock()
			history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: began, Output: out, Return: ended})
			return nil
		})
		require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(sequential, slices.Clone(history), time.Minute))
	}
}

// The window is an hour and the test is short, so that all events stay in one bucket.
func TestLinearizableCounters(t *testing.T) {
	for _, eventTime := range []bool{false, true} {
		c := newCounters(t, CountersConfig{Window: 100 * 24 * time.Hour, Buckets: 1, EventTime: eventTime, Outcomes: 3, MaxAhead: time.Hour})
		at := time.Now()
		check(t, []string{"Add", "Add", "Get", "Get", "Reset"}, func(in call) int64 {
			switch in.op {
			case "Add":
				c.AddAt(at, in.key, in.n)
			case "Reset":
				c.Reset()
			default:
				return c.Sum(in.key)
			}
			return 0
		})
	}
}

// Events of a TopK go to any bucket of the window, and a Total sees them all at one instant.
func TestLinearizableTopK(t *testing.T) {
	k := newTopK[int](t, TopKConfig{Window: time.Hour, Capacity: 3})
	check(t, []string{"Add", "Add", "Get", "Total", "Top", "Reset"}, func(in call) int64 {
		switch in.op {
		case "Add":
			k.AddAt(time.Now().Add(-time.Duration(in.n)*5*time.Minute), in.key, in.n)
		case "Reset":
			k.Reset()
		case "Total":
			return k.Total()
		case "Top":
			for _, e := range k.Top(3) {
				if e.Key == in.key {
					return e.Count
				}
			}
		default:
			return k.Get(in.key).Count
		}
		return 0
	})
}

// The model refuses what is not linearizable: an Add that is lost.
func TestLinearizableModelRefuses(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 0, Input: call{op: "Add", n: 1}, Output: int64(0), Call: 0, Return: 1},
		{ClientId: 0, Input: call{op: "Get"}, Output: int64(0), Call: 2, Return: 3},
	}
	require.Equal(t, porcupine.Illegal, porcupine.CheckOperationsTimeout(sequential, history, time.Minute))
}
