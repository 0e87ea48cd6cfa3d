package rwlock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// section is what one caller does to a register that the lock guards.
type section struct{ add int }

// register says that a section sees the sum of all that were before, all of it or nothing: a section that writes reads
// first, upgrades or downgrades, and has to be one step.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, in, out any) (bool, any) {
		value := state.(int)
		if out.(int) < 0 { // the lock was refused
			return true, value
		}
		return out.(int) == value, value + in.(section).add
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v saw %v", in, out) },
}

// guarded is a register in two halves, which differ while somebody writes.
type guarded struct {
	l           *RWLock
	left, right int
}

func (g *guarded) value() int {
	left := g.left
	chaos.Point("rwlock test: inside")
	if left != g.right {
		panic("half a write is seen")
	}
	return left
}

func (g *guarded) add(n int) (before int) {
	before = g.value()
	g.left += n
	chaos.Point("rwlock test: inside")
	g.right += n
	return before
}

// do runs a random section, and returns what it was and what it saw; -1 if it was refused the lock.
func (g *guarded) do(rng *rand.Rand) (section, int) {
	n := 1 + rng.IntN(3)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch rng.IntN(7) {
	case 0:
		g.l.Lock()
		defer g.l.Unlock()
		return section{add: n}, g.add(n)
	case 1:
		g.l.Lock()
		before := g.add(n)
		g.l.Downgrade()
		defer g.l.RUnlock()
		if g.value() != before+n {
			panic("a writer came in with a downgrade")
		}
		return section{add: n}, before
	case 2:
		g.l.RLock()
		before := g.value()
		if !g.l.TryUpgrade() {
			g.l.RUnlock()
			return section{}, before
		}
		defer g.l.Unlock()
		if g.value() != before {
			panic("a writer came in with an upgrade")
		}
		return section{add: n}, g.add(n)
	case 3:
		if !g.l.TryRLock() {
			return section{}, -1
		}
	case 4:
		go cancel()
		if g.l.LockContext(ctx) != nil {
			return section{}, -1
		}
		defer g.l.Unlock()
		return section{add: n}, g.add(n)
	case 5:
		go cancel()
		if g.l.RLockContext(ctx) != nil {
			return section{}, -1
		}
	default:
		g.l.RLock()
	}
	defer g.l.RUnlock()
	return section{}, g.value()
}

func history(t *testing.T, cfg Config, clients, rounds int, seed uint64) []porcupine.Operation {
	t.Helper()
	g := &guarded{l: newLock(t, cfg)}
	var clock atomic.Int64
	histories := make([][]porcupine.Operation, clients)
	hammer.Run(t, clients, rounds, func(worker int, rng *rand.Rand) error {
		for range seed % 7 {
			rng.Uint64()
		}
		op := porcupine.Operation{ClientId: worker, Call: clock.Add(1)}
		op.Input, op.Output = g.do(rng)
		op.Return = clock.Add(1)
		histories[worker] = append(histories[worker], op)
		return nil
	})
	require.Zero(t, g.l.state.Load())
	return slices.Concat(histories...)
}

// Sections under the lock, upgraded and downgraded ones included, happen one after the other in an order that agrees with
// real time.
func TestLinearizable(t *testing.T) {
	histories := 5
	if chaos.Enabled {
		histories = 30
	}
	for _, cfg := range append(modelConfigs, Config{MaxWriterWait: time.Microsecond}) {
		for i := range histories {
			ops := history(t, cfg, 4, 25, uint64(i))
			switch porcupine.CheckOperationsTimeout(register, ops, 5*time.Second) {
			case porcupine.Illegal:
				t.Fatalf("not linearizable under %+v: %+v", cfg, ops)
			case porcupine.Unknown:
				t.Log("one history took too long to judge")
			case porcupine.Ok:
			}
		}
	}
	requirePoints(t)
}

// A checker that accepts everything proves nothing.
func TestLinearizableModelRefuses(t *testing.T) {
	add := func(client int, call, saw int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: section{add: 1}, Call: call, Output: int(saw), Return: call + 1}
	}
	require.True(t, porcupine.CheckOperations(register, []porcupine.Operation{add(0, 1, 0), add(1, 3, 1)}))
	require.False(t, porcupine.CheckOperations(register, []porcupine.Operation{add(0, 1, 0), add(1, 3, 0)}))
	require.False(t, porcupine.CheckOperations(register, []porcupine.Operation{add(0, 1, 1), add(1, 3, 0)}))
}
