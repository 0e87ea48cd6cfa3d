//go:build chaos

package boundedqueue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// input is one call of a history, output what it returned.
type input struct {
	op string
	v  string
}

type output struct {
	v   string
	err error
}

// contents is the state of the sequential queue. A Put that waits takes effect when it is admitted, so a sequential queue
// needs no line of waiters.
type contents struct {
	values string // "1 2 3 "
	n      int
	closed bool
}

func sequential(capacity int, overflow Overflow) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return contents{} },
		Step: func(state, in, out any) (bool, any) {
			return step(state.(contents), in.(input), out.(output), capacity, overflow)
		},
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%+v = %+v", in, out)
		},
	}
}

func step(c contents, in input, out output, capacity int, overflow Overflow) (bool, any) {
	front, others, _ := strings.Cut(c.values, " ")
	switch in.op {
	case "Put", "TryPut":
		switch {
		case c.closed || out.err != nil && out.err != ErrFull: //nolint:errorlint // the very sentinel
			return c.closed && out.err == ErrClosed, c //nolint:errorlint // the very sentinel
		case c.n == capacity && overflow == DropOldest:
			return out.err == nil, contents{values: others + in.v + " ", n: c.n}
		case c.n == capacity:
			return out.err == ErrFull, c //nolint:errorlint // the very sentinel
		}
		return out.err == nil, contents{values: c.values + in.v + " ", n: c.n + 1}
	case "GetBatch":
		if c.n < 2 { // as a Get, but for the space behind a value
			return step(c, input{op: "Get"}, output{strings.TrimSuffix(out.v, " "), out.err}, capacity, overflow)
		}
		second, others, _ := strings.Cut(others, " ")
		return out.err == nil && out.v == front+" "+second+" ", contents{values: others, n: c.n - 2, closed: c.closed}
	case "Get", "TryGet":
		switch {
		case c.n > 0:
			return out.err == nil && out.v == front, contents{values: others, n: c.n - 1, closed: c.closed}
		case c.closed:
			return out.err == ErrClosed, c //nolint:errorlint // the very sentinel
		default:
			return out.err == ErrEmpty, c //nolint:errorlint // the very sentinel
		}
	case "Peek":
		return out.v == front, c
	case "Len":
		return out.v == fmt.Sprint(c.n), c
	case "CloseAndDrain":
		return out.v == c.values, contents{closed: true}
	default: // Close
		c.closed = true
		return true, c
	}
}

func perform(q *Queue[string], in input, t *testing.T) (out output) {
	switch in.op {
	case "Put":
		out.err = q.Put(t.Context(), in.v)
	case "TryPut":
		out.err = q.TryPut(in.v)
	case "Get":
		out.v, out.err = q.Get(t.Context())
	case "TryGet":
		out.v, out.err = q.TryGet()
	case "GetBatch":
		dst := make([]string, 2)
		n, err := q.GetBatch(t.Context(), dst)
		for _, v := range dst[:n] {
			out.v += v + " "
		}
		out.err = err
	case "Peek":
		out.v, _ = q.Peek()
	case "Len":
		out.v = fmt.Sprint(q.Len())
	case "CloseAndDrain":
		for _, v := range q.CloseAndDrain() {
			out.v += v + " "
		}
	default:
		q.Close()
	}
	return out
}

// history records what clients do at once; with closing one of them may close the queue on the way. In the end everybody
// who still waits is let go by a Close.
func history(t *testing.T, capacity, clients, rounds int, overflow Overflow, closing bool) []porcupine.Operation {
	q := newQueue(t, Config[string]{Capacity: capacity, Overflow: overflow})
	var clock atomic.Int64
	histories := make([][]porcupine.Operation, clients+1)
	record := func(worker int, in input) {
		op := porcupine.Operation{ClientId: worker, Input: in, Call: clock.Add(1)}
		op.Output = perform(q, in, t)
		op.Return = clock.Add(1)
		histories[worker] = append(histories[worker], op)
	}
	ops := []string{"Put", "Put", "TryPut", "Get", "GetBatch", "TryGet", "Len", "Peek"}
	ends := []string{"Close", "CloseAndDrain"}
	done := make(chan struct{})
	go func() {
		hammer.Run(t, clients, rounds, func(worker int, _ *rand.Rand) error {
			in := input{op: ops[rand.IntN(len(ops))]}
			if closing && rand.IntN(clients*rounds) == 0 {
				in.op = ends[rand.IntN(2)]
			}
			if strings.Contains(in.op, "Put") {
				in.v = fmt.Sprint(worker*1000 + len(histories[worker]))
			}
			record(worker, in)
			return nil
		})
		close(done)
	}()
	synctest.Wait() // all have ended or wait
	record(clients, input{op: ends[rand.IntN(2)]})
	<-done
	return slices.Concat(histories...)
}

// Concurrent calls have the results that they would have had one after the other, in an order that agrees with real time:
// in particular ErrFull is returned only when the queue was full, and ErrEmpty only when it was empty (rigtorp/MPMCQueue#41,
// rust-embedded/heapless#583, JDK-8371740).
func TestLinearizable(t *testing.T) {
	for i := range 160 {
		capacity, overflow := 1+i%3, []Overflow{Block, Block, Reject, DropOldest}[i%4]
		var ops []porcupine.Operation
		synctest.Test(t, func(t *testing.T) { ops = history(t, capacity, 4, 25, overflow, i%8 > 3) })
		switch porcupine.CheckOperationsTimeout(sequential(capacity, overflow), ops, 5*time.Second) {
		case porcupine.Illegal:
			t.Fatalf("not linearizable at capacity %d: %+v", capacity, ops)
		case porcupine.Unknown:
			t.Log("one history took too long to judge")
		}
	}
	for _, point := range []string{"unlocked, not yet parked", "woken", "between two tries to lock"} {
		require.NotZero(t, chaos.Visits("boundedqueue: "+point), point)
	}
}

// The judge is not blind: wrong histories are refused.
func TestLinearizableModelRefuses(t *testing.T) {
	op := func(call int64, in, v string, out output) porcupine.Operation {
		return porcupine.Operation{Input: input{in, v}, Call: call, Output: out, Return: call + 1}
	}
	for name, ops := range map[string][]porcupine.Operation{
		"spurious full":     {op(1, "TryPut", "1", output{err: ErrFull})},
		"spurious empty":    {op(1, "Put", "1", output{}), op(3, "TryGet", "", output{err: ErrEmpty})},
		"last in first out": {op(1, "Put", "1", output{}), op(3, "Put", "2", output{}), op(5, "Get", "", output{v: "2"})},
		"value lost":        {op(1, "Put", "1", output{}), op(3, "CloseAndDrain", "", output{})},
		"three in two":      {op(1, "Put", "1", output{}), op(3, "Put", "2", output{}), op(5, "Put", "3", output{})},
		"late":              {op(1, "Close", "", output{}), op(3, "Put", "1", output{})},
	} {
		require.Equal(t, porcupine.Illegal, porcupine.CheckOperationsTimeout(sequential(2, Block), ops, time.Second), name)
	}
}
