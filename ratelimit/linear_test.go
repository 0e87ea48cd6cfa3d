//go:build chaos

package ratelimit

import (
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

// call is one operation on one key, at an instant that does not pass.
type call struct {
	op string
	n  int64
}

const linearQuota = 6

// spent is the state of a sequential key: what is charged to it.
type spent int64

// step is the specification: what the sequential key answers, and what it becomes.
func (s spent) step(in call) (int64, spent) {
	switch in.op {
	case "AllowN":
		if int64(s)+in.n > linearQuota {
			return 0, s
		}
		return 1, s + spent(in.n)
	case "Return":
		return 0, max(s-spent(in.n), 0)
	case "Delete", "Clear":
		return 0, 0
	default:
		return linearQuota - int64(s), s
	}
}

var sequential = porcupine.Model{
	Init: func() any { return spent(0) },
	Step: func(state, in, out any) (bool, any) {
		want, next := state.(spent).step(in.(call))
		return want == out.(int64), next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v = %v", in, out) },
}

func (in call) do(t *testing.T, l *Limiter[string]) int64 {
	switch in.op {
	case "AllowN":
		return int64(index(l.AllowN("a", in.n)))
	case "Return":
		l.Return("a", in.n)
	case "Delete":
		l.Delete("a")
	case "Clear":
		l.Clear()
	default:
		r, _ := l.Take(t.Context(), "a", 0)
		return r.Remaining
	}
	return 0
}

func history(t *testing.T, a Algorithm) []porcupine.Operation {
	l := limiter(t, a, linearQuota)
	var clock atomic.Int64
	histories := make([][]porcupine.Operation, 4)
	hammer.Run(t, len(histories), 20, func(worker int, rng *rand.Rand) error {
		ops := []string{"AllowN", "AllowN", "AllowN", "Return", "Delete", "Clear", "Take"}
		in := call{op: ops[rng.IntN(len(ops))], n: 1 + rng.Int64N(4)}
		op := porcupine.Operation{ClientId: worker, Input: in, Call: clock.Add(1)}
		op.Output = in.do(t, l)
		op.Return = clock.Add(1)
		histories[worker] = append(histories[worker], op)
		return nil
	})
	return slices.Concat(histories...)
}

// Concurrent calls for one key have the results that they would have had one after the other, in an order that agrees with
// real time.
func TestLinearizable(t *testing.T) {
	for i := range 100 {
		var ops []porcupine.Operation
		synctest.Test(t, func(t *testing.T) { ops = history(t, algorithms[i%len(algorithms)]) })
		switch porcupine.CheckOperationsTimeout(sequential, ops, 5*time.Second) {
		case porcupine.Illegal:
			t.Fatalf("not linearizable: %+v", ops)
		case porcupine.Unknown:
			t.Log("one history took too long to judge")
		}
	}
	require.NotZero(t, chaos.Visits("ratelimit: clock read, shard not yet locked"))
}
