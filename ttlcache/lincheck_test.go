package ttlcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// linOp is one call on one key, and what it gave.
type linOp struct {
	name       string
	key, value int
}

// loadedAbove tells values from loaders from values that were set.
const loadedAbove = 1_000_000

type linResult struct {
	value int
	ok    bool
}

// linState is what is cached under one key, 0 for nothing. A load that a write has overtaken is given to its callers and
// not stored: passing is its value, between the callers and the write that comes next.
type linState struct{ value, passing int }

// linStep is the sequential specification of one key. A GetOrLoad that waits takes effect when its value is stored, or
// immediately before the write that keeps it from being stored.
func linStep(s linState, op linOp, out linResult) []linState {
	if s.passing != 0 && (op.name == "get" || op.name == "load" && out.value != s.passing) {
		return nil // the write comes first
	}
	switch op.name {
	case "get":
		if out.ok == (s.value != 0) && out.value == s.value {
			return []linState{s}
		}
	case "set":
		return []linState{{value: op.value}}
	case "delete":
		if out.ok == (s.value != 0) && out.value == s.value {
			return []linState{{}}
		}
	case "getorset":
		switch {
		case s.value != 0 && out.ok && out.value == s.value:
			return []linState{s}
		case s.value == 0 && !out.ok:
			return []linState{{value: op.value}}
		}
	case "load":
		switch {
		case !out.ok: // gave up
			return []linState{s}
		case s.passing == out.value || s.value == out.value:
			return []linState{s}
		case s.value == 0 && s.passing == 0 && out.value > loadedAbove:
			return []linState{{value: out.value}, {passing: out.value}}
		}
	}
	return nil
}

var linModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[int][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(linOp).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{linState{}} },
	Step: func(state, input, output any) []any {
		var next []any
		for _, s := range linStep(state.(linState), input.(linOp), output.(linResult)) {
			next = append(next, s)
		}
		return next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}).ToModel()

func (op linOp) apply(c *Cache[int, int], rng *rand.Rand) (out linResult) {
	switch op.name {
	case "get":
		out.value, out.ok = c.Get(op.key)
	case "set":
		c.Set(op.key, op.value)
	case "delete":
		out.value, out.ok = c.Delete(op.key)
	case "getorset":
		out.value, out.ok = c.GetOrSet(op.key, op.value)
	case "load":
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if rng.IntN(8) == 0 {
			go cancel()
		}
		value, err := c.GetOrLoad(ctx, op.key, func(context.Context, int) (int, error) {
			chaos.Point("ttlcache: test loader")
			return op.value, nil
		})
		out = linResult{value, err == nil}
	}
	return out
}

// TestLinearizable records concurrent histories of loads and writes and asks for a sequential order that explains them: no
// load overwrites what is newer, and what a load has given is there unless a write came. With -tags chaos the goroutines
// are made to yield in every gap.
func TestLinearizable(t *testing.T) {
	histories := 20
	if chaos.Enabled {
		histories = 200
	}
	names := slices.Concat(slices.Repeat([]string{"load"}, 4), slices.Repeat([]string{"get", "set", "delete"}, 2), []string{"getorset"})
	const clients, rounds = 4, 25
	for round := range histories {
		c := mustNew(t, Config[int, int]{Capacity: 10, TTL: NoExpiry})
		recorded := make([][]porcupine.Operation, clients)
		start := time.Now()
		hammer.Run(t, clients, rounds, func(client int, rng *rand.Rand) error {
			for range round {
				rng.Uint64()
			}
			n := len(recorded[client])
			op := linOp{names[rng.IntN(len(names))], rng.IntN(2), 1 + 1000*client + n}
			if op.name == "load" {
				op.value += loadedAbove
			}
			call := int64(time.Since(start))
			out := op.apply(c, rng)
			recorded[client] = append(recorded[client], porcupine.Operation{
				ClientId: client, Input: op, Call: call, Output: out, Return: int64(time.Since(start)),
			})
			return nil
		})
		result := porcupine.CheckOperationsTimeout(linModel, slices.Concat(recorded...), 30*time.Second)
		require.Equal(t, porcupine.Ok, result, "history %d", round)
	}
}

// The checker must refuse what no cache may do, or the test above proves nothing.
func TestLinearizableModelRefuses(t *testing.T) {
	op := func(client int, name string, value int, from, to int64, out linResult) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: linOp{name, 1, value}, Call: from, Output: out, Return: to}
	}
	const a, b = loadedAbove + 1, loadedAbove + 2
	for name, history := range map[string][]porcupine.Operation{
		"a load overwrites a newer Set": {
			op(0, "load", a, 0, 100, linResult{a, true}), op(1, "set", 6, 10, 20, linResult{}), op(1, "get", 0, 30, 40, linResult{6, true}),
			op(1, "get", 0, 110, 120, linResult{a, true}),
		},
		"a loaded value is not there": {
			op(0, "load", a, 0, 10, linResult{a, true}), op(0, "get", 0, 20, 30, linResult{}),
		},
		"a deleted value comes back": {
			op(0, "set", 5, 0, 10, linResult{}), op(0, "delete", 0, 20, 30, linResult{5, true}), op(0, "load", a, 40, 50, linResult{5, true}),
		},
		"loaded twice": {
			op(0, "load", a, 0, 10, linResult{a, true}), op(1, "load", b, 20, 30, linResult{b, true}),
		},
	} {
		require.False(t, porcupine.CheckOperations(linModel, history), name)
	}
}
