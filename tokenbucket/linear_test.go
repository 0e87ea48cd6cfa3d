//go:build chaos

package tokenbucket

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

// call is one operation of a history at an instant that does not pass; id names the reservation of Reserve and Cancel.
type call struct {
	op string
	n  int64
	id int
}

// contents is the state of the sequential bucket: its tokens, its size, and who is queued.
type contents struct {
	tokens, burst int64
	line          string // "id:n " of each place
	charged       string // "id:n " of each reservation that has been charged
}

func (c contents) serve() contents {
	for c.line != "" {
		var id int
		var n int64
		_, _ = fmt.Sscanf(c.line, "%d:%d ", &id, &n)
		if n > c.tokens {
			break
		}
		c.tokens -= n
		entry := fmt.Sprintf("%d:%d ", id, n)
		c.line = strings.TrimPrefix(c.line, entry)
		c.charged += entry
	}
	return c
}

// step is the specification: what the sequential bucket answers, and what it becomes.
func (c contents) step(in call) (int64, contents) {
	free := c.line == ""
	entry := fmt.Sprintf("%d:%d ", in.id, in.n)
	switch in.op {
	case "AllowN":
		if free && in.n <= c.tokens {
			c.tokens -= in.n
			return 1, c
		}
		return 0, c
	case "AllowUpTo":
		k := min(in.n, c.tokens)
		if !free {
			k = 0
		}
		c.tokens -= k
		return k, c
	case "Return":
		c.tokens = min(c.burst, c.tokens+in.n)
		return 0, c.serve()
	case "Reserve":
		if free && in.n <= c.tokens {
			c.tokens -= in.n
			c.charged += entry
			return 1, c
		}
		c.line += entry
		return 0, c
	case "Cancel":
		if strings.Contains(" "+c.charged, " "+entry) {
			c.charged = strings.TrimPrefix(strings.Replace(" "+c.charged, " "+entry, " ", 1), " ")
			c.tokens = min(c.burst, c.tokens+in.n)
		} else {
			c.line = strings.TrimPrefix(strings.Replace(" "+c.line, " "+entry, " ", 1), " ")
		}
		return 0, c.serve()
	case "SetLimit":
		c.burst = in.n
		c.tokens = min(c.tokens, in.n)
		return 0, c
	default:
		return c.tokens, c
	}
}

var sequential = porcupine.Model{
	Init: func() any { return contents{tokens: 5, burst: 5} },
	Step: func(state, in, out any) (bool, any) {
		want, next := state.(contents).step(in.(call))
		return want == out.(int64), next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v = %v", in, out) },
}

// client does random operations on b; a reservation is cancelled by the client that made it.
type client struct {
	b    *Bucket
	id   int
	held []call
	res  map[int]*Reservation
}

func (c *client) draw(rng *rand.Rand, next int) call {
	if len(c.held) > 0 && rng.IntN(2) == 0 {
		return call{op: "Cancel", n: c.held[0].n, id: c.held[0].id}
	}
	op := []string{"AllowN", "AllowN", "AllowUpTo", "Return", "Reserve", "SetLimit", "Tokens"}[rng.IntN(7)]
	in := call{op: op, n: 1 + rng.Int64N(4), id: next}
	if op == "SetLimit" {
		in.n = 4 + rng.Int64N(3)
	}
	return in
}

func (c *client) do(in call) int64 {
	switch in.op {
	case "AllowN":
		return int64(toInt(c.b.AllowN(in.n)))
	case "AllowUpTo":
		return c.b.AllowUpTo(in.n)
	case "Return":
		c.b.Return(in.n)
	case "Reserve":
		r, _ := c.b.Reserve(in.n, forever)
		c.held, c.res[in.id] = append(c.held, in), r
		return int64(toInt(r.Delay() == 0))
	case "Cancel":
		c.res[in.id].Cancel()
		c.held = c.held[1:]
	case "SetLimit":
		_ = c.b.SetLimit([]Rate{PerSecond(1), PerSecond(7), PerSecond(13)}[in.n%3], in.n)
	default:
		return c.b.Tokens()
	}
	return 0
}

func history(t *testing.T, clients, rounds int) []porcupine.Operation {
	b := newBucket(t, PerSecond(1), 5)
	var clock atomic.Int64
	histories := make([][]porcupine.Operation, clients)
	all := make([]*client, clients)
	for i := range all {
		all[i] = &client{b: b, id: i, res: map[int]*Reservation{}}
	}
	hammer.Run(t, clients, rounds, func(worker int, rng *rand.Rand) error {
		c := all[worker]
		in := c.draw(rng, worker*1000+len(histories[worker]))
		op := porcupine.Operation{ClientId: worker, Input: in, Call: clock.Add(1)}
		op.Output = c.do(in)
		op.Return = clock.Add(1)
		histories[worker] = append(histories[worker], op)
		return nil
	})
	return slices.Concat(histories...)
}

// Concurrent calls at one instant have the results that they would have had one after the other, in an order that agrees
// with real time.
func TestLinearizable(t *testing.T) {
	for range 150 {
		var ops []porcupine.Operation
		synctest.Test(t, func(t *testing.T) { ops = history(t, 4, 25) })
		switch porcupine.CheckOperationsTimeout(sequential, ops, 5*time.Second) {
		case porcupine.Illegal:
			t.Fatalf("not linearizable: %+v", ops)
		case porcupine.Unknown:
			t.Log("one history took too long to judge")
		}
	}
	for _, point := range []string{"take lost a race", "locked, not yet frozen", "locked and frozen"} {
		require.NotZero(t, chaos.Visits("tokenbucket: "+point), point)
	}
}
