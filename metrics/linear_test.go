package metrics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// call is one operation on a counter, a gauge, a Keyed or a Vec.
type call struct {
	op  string
	key int
}

// check records short histories of random operations by several clients and judges each.
func check(t *testing.T, rounds int, ops []string, fresh func() func(call) int, model porcupine.Model) {
	t.Helper()
	model.DescribeOperation = func(in, out any) string { return fmt.Sprintf("%+v = %v", in, out) }
	if chaos.Enabled {
		rounds *= 3
	}
	for range rounds {
		do := fresh()
		var clock atomic.Int64
		histories := make([][]porcupine.Operation, 4)
		hammer.Run(t, 4, 20, func(worker int, rng *rand.Rand) error {
			in := call{ops[rng.IntN(len(ops))], rng.IntN(3)}
			op := porcupine.Operation{ClientId: worker, Input: in, Call: clock.Add(1)}
			op.Output = do(in)
			op.Return = clock.Add(1)
			histories[worker] = append(histories[worker], op)
			return nil
		})
		ops := slices.Concat(histories...)
		switch porcupine.CheckOperationsTimeout(model, ops, 5*time.Second) {
		case porcupine.Illegal:
			t.Fatalf("not linearizable: %+v", ops)
		case porcupine.Ok:
		case porcupine.Unknown:
			t.Log("one history took too long to judge")
		}
	}
}

// Incs and Values of a counter are explained by one number, also when it has grown cells.
func TestLinearizableCounter(t *testing.T) {
	check(t, 60, []string{"Inc", "Inc", "Value"}, func() func(call) int {
		c := new(Counter)
		return func(in call) int {
			if in.op == "Inc" {
				c.Inc()
				return 0
			}
			return int(c.Value())
		}
	}, porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, in, out any) (bool, any) {
			if in.(call).op == "Inc" {
				return true, state.(int) + 1
			}
			return out == state, state
		},
	})
}

func TestLinearizableGauge(t *testing.T) {
	check(t, 60, []string{"Set", "Add", "Value"}, func() func(call) int {
		g := new(Gauge)
		return func(in call) int {
			switch in.op {
			case "Set":
				g.Set(float64(in.key))
			case "Add":
				g.Add(float64(in.key))
			default:
				return int(g.Value())
			}
			return 0
		}
	}, porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, in, out any) (bool, any) {
			switch in.(call).op {
			case "Set":
				return true, in.(call).key
			case "Add":
				return true, state.(int) + in.(call).key
			default:
				return out == state, state
			}
		},
	})
}

// keys is a map of counters for keys 0 to 2 with room for two; -1 is a key that is not kept.
type keys struct {
	count    [3]int
	overflow int
}

func (k keys) len() int {
	n := 0
	for _, c := range k.count {
		if c >= 0 {
			n++
		}
	}
	return n
}

// step is the sequential specification of Keyed and, without Clear, of a Vec with one label.
func (k keys) step(in call) (int, keys) {
	c := &k.count[in.key]
	switch {
	case in.op == "Inc" && *c < 0 && k.len() == 2:
		k.overflow++
	case in.op == "Inc":
		*c = max(*c, 0) + 1
	case in.op == "Get":
		return *c, k
	case in.op == "Delete":
		had := *c >= 0
		*c = -1
		if had {
			return 1, k
		}
	case in.op == "Clear":
		k.count = [3]int{-1, -1, -1}
	case in.op == "Overflow":
		return k.overflow, k
	default:
		return k.len(), k
	}
	return 0, k
}

var sequential = porcupine.Model{
	Init: func() any { return keys{count: [3]int{-1, -1, -1}} },
	Step: func(state, in, out any) (bool, any) {
		want, next := state.(keys).step(in.(call))
		return want == out, next
	},
}

func toInt(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// Everything that a Keyed does is explained by a map under one lock, the amounts of keys that found no room included.
func TestLinearizableKeyed(t *testing.T) {
	ops := []string{"Inc", "Inc", "Inc", "Get", "Delete", "Clear", "Len", "Overflow"}
	check(t, 150, ops, func() func(call) int {
		k := must(NewKeyed[int](KeyedConfig{MaxKeys: 2}))
		return func(in call) int {
			switch in.op {
			case "Inc":
				k.Inc(in.key)
			case "Get":
				if n, ok := k.Get(in.key); ok {
					return int(n)
				}
				return -1
			case "Delete":
				return toInt(k.Delete(in.key))
			case "Clear":
				k.Clear()
			case "Overflow":
				return int(k.Stats().Overflow)
			default:
				return k.Len()
			}
			return 0
		}
	}, sequential)
}

// With, Delete, Len and Overflow of a Vec. A With is an Inc of the model whose count nobody reads.
func TestLinearizableVec(t *testing.T) {
	names := []string{"a", "b", "c"}
	check(t, 150, []string{"Inc", "Inc", "Inc", "Delete", "Len", "Overflow"}, func() func(call) int {
		v := must(NewVec[[2]string, Gauge](VecConfig{Labels: []string{"x", "y"}, MaxSeries: 2, MaxValues: 5}))
		return func(in call) int {
			labels := [2]string{names[in.key], names[in.key]}
			switch in.op {
			case "Inc":
				v.With(labels)
			case "Delete":
				return toInt(v.Delete(labels))
			case "Overflow":
				return int(v.Stats().Overflow)
			default:
				return v.Len()
			}
			return 0
		}
	}, sequential)
}
