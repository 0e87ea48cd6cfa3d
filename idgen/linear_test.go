package idgen

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// taken is one call of a history at an instant that does not pass: how many ids were asked for, and the positions that came.
type taken struct{ first, n uint64 }

// The sequential generator at one instant: a call takes what follows the last position, up to the limit.
func sequential(first, limit uint64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, in, out any) (bool, any) {
			next, want, got := state.(uint64), in.(uint64), out.(taken)
			n := min(want, limit-next)
			if n == 0 {
				return got.n == 0, state
			}
			return got == taken{next, n}, next + n
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%d -> %+v", in, out) },
	}
}

// Histories of concurrent calls are those of some sequential order; with -tags chaos they meet in every gap.
func TestLinearizable(t *testing.T) {
	rounds, ops := 20, 40
	if chaos.Enabled {
		rounds, ops = 60, 60
	}
	for range rounds {
		synctest.Test(t, func(t *testing.T) {
			g := settled(t, Config{Layout: Layout{TimeBits: 41, SequenceBits: 3}, MaxAhead: 20 * ms})
			tick := g.tick(g.at(g.elapsed()))
			first, limit := tick<<3, (tick+21)<<3
			expired, cancel := context.WithTimeout(t.Context(), 1)
			defer cancel()
			var clock atomic.Int64
			history := make([][]porcupine.Operation, 4)
			hammer.Run(t, len(history), ops, func(client int, rng *rand.Rand) error {
				want := 1 + rng.Uint64N(3)
				var ids [3]ID
				called := clock.Add(1)
				n := 1
				if want == 1 {
					id, err := g.TryNext()
					if ids[0] = id; err != nil {
						n = 0
					}
				} else {
					n, _ = g.NextN(expired, ids[:want])
				}
				out := taken{uint64(ids[0]), uint64(n)}
				returned := clock.Add(1)
				for i := range ids[:n] {
					if uint64(ids[i]) != out.first+uint64(i) {
						// NextN may take in several steps; each is a call of its own.
						return fmt.Errorf("gap in %v", ids[:n])
					}
				}
				if n == 0 {
					out.first = 0
				}
				history[client] = append(history[client], porcupine.Operation{ClientId: client, Input: want, Output: out, Call: called, Return: returned})
				return nil
			})
			result := porcupine.CheckOperationsTimeout(sequential(first, limit), slices.Concat(history...), 20*time.Second)
			require.Equal(t, porcupine.Ok, result)
		})
	}
}

// The check is worth something: it refuses a duplicate, a gap, and an id beyond the limit.
func TestLinearizableModelRefuses(t *testing.T) {
	for name, calls := range map[string][]taken{
		"duplicate":    {{8, 1}, {8, 1}},
		"gap":          {{8, 1}, {10, 1}},
		"backwards":    {{9, 1}, {8, 1}},
		"beyond":       {{8, 1}, {9, 1}, {10, 1}},
		"early refuse": {{0, 0}},
	} {
		var history []porcupine.Operation
		for i, c := range calls {
			history = append(history, porcupine.Operation{Input: uint64(1), Output: c, Call: int64(2 * i), Return: int64(2*i + 1)})
		}
		require.False(t, porcupine.CheckOperations(sequential(8, 10), history), name)
	}
}
