package circuitbreaker

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

// operation is a call of a history at an instant that does not pass; id names the ticket.
type operation struct {
	op string
	id int
}

// rules are the limits of the sequential breaker.
type rules struct{ consecutive, minCalls, probes, successes int }

// sequential is the state of the sequential breaker: what the episode counted, and which tickets belong to it.
type sequential struct {
	rules
	state           State
	episode         int
	calls, failures int
	streak          int
	inFlight        int
	passed          int
	tickets         string // "id:episode " of each ticket that has not ended
}

func (s sequential) become(state State) sequential {
	return sequential{rules: s.rules, state: state, episode: s.episode + 1, tickets: s.tickets}
}

// step is the specification: what the sequential breaker answers, and what it becomes.
func (s sequential) step(in operation) (int, sequential) {
	switch in.op {
	case "Allow":
		if s.state == Open || s.state == HalfOpen && s.inFlight == s.probes {
			return 0, s
		}
		if s.state == HalfOpen {
			s.inFlight++
		}
		s.tickets += fmt.Sprintf("%d:%d ", in.id, s.episode)
		return 1, s
	case "State":
		return int(s.state), s
	case "Reset":
		return 0, s.become(Closed)
	case "Trip":
		if s.state == Open {
			return 0, s
		}
		return 0, s.become(Open)
	default:
		return s.end(in)
	}
}

func (s sequential) end(in operation) (int, sequential) {
	var kept string
	episode := -1
	for rest := s.tickets; rest != ""; {
		var id, e int
		_, _ = fmt.Sscanf(rest, "%d:%d ", &id, &e)
		entry := fmt.Sprintf("%d:%d ", id, e)
		rest = rest[len(entry):]
		if id == in.id {
			episode = e
		} else {
			kept += entry
		}
	}
	s.tickets = kept
	switch {
	case episode != s.episode || s.state == Open:
	case s.state == HalfOpen:
		s.inFlight--
		if in.op == "Failure" {
			return 0, s.become(Open)
		}
		if s.passed++; s.passed == s.successes {
			return 0, s.become(Closed)
		}
	case in.op == "Success":
		s.calls++
		s.streak = 0
	default:
		s.calls++
		s.failures++
		s.streak++
		if s.consecutive > 0 && s.streak >= s.consecutive || s.minCalls > 0 && s.calls >= s.minCalls && 2*s.failures >= s.calls {
			return 0, s.become(Open)
		}
	}
	return 0, s
}

func sequentialModel(r rules) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return sequential{rules: r} },
		Step: func(state, in, out any) (bool, any) {
			want, next := state.(sequential).step(in.(operation))
			return want == out.(int), next
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v = %v", in, out) },
	}
}

// client does random operations on b; a ticket is ended by the client that got it.
type client struct {
	b    *Breaker
	held []int
	got  map[int]*Ticket
}

func (c *client) draw(rng *rand.Rand, next int) operation {
	if len(c.held) > 0 && rng.IntN(3) > 0 {
		return operation{[]string{"Success", "Failure", "Failure"}[rng.IntN(3)], c.held[0]}
	}
	return operation{[]string{"Allow", "Allow", "Allow", "Allow", "State", "State", "Reset", "Trip"}[rng.IntN(8)], next}
}

func (c *client) do(in operation) int {
	switch in.op {
	case "Allow":
		ticket, err := c.b.Allow()
		if err != nil {
			return 0
		}
		c.held, c.got[in.id] = append(c.held, in.id), &ticket
		return 1
	case "State":
		return int(c.b.State())
	case "Reset":
		c.b.Reset()
	case "Trip":
		c.b.Trip(time.Hour)
	case "Success":
		c.got[in.id].Done(nil)
		c.held = c.held[1:]
	default:
		c.got[in.id].Done(errDown)
		c.held = c.held[1:]
	}
	return 0
}

func history(t *testing.T, c Config, half bool, clients, rounds int) []porcupine.Operation {
	b := mustNew(t, c)
	if half {
		b.Trip(time.Second)
		sleep(time.Second)
	}
	var clock atomic.Int64
	histories := make([][]porcupine.Operation, clients)
	all := make([]*client, clients)
	for i := range all {
		all[i] = &client{b: b, got: map[int]*Ticket{}}
	}
	hammer.Run(t, clients, rounds, func(worker int, _ *rand.Rand) error {
		c := all[worker]
		in := c.draw(rand.New(rand.NewPCG(rand.Uint64(), 0)), worker*1000+len(histories[worker]))
		op := porcupine.Operation{ClientId: worker, Input: in, Call: clock.Add(1)}
		op.Output = c.do(in)
		op.Return = clock.Add(1)
		histories[worker] = append(histories[worker], op)
		return nil
	})
	b.Reset()
	return slices.Concat(histories...)
}

// Concurrent calls at one instant have the results that they would have had one after the other, in an order that agrees
// with real time: no result changes a state that it does not belong to, and no verdict misses a result.
func TestLinearizable(t *testing.T) {
	rounds := 15
	if chaos.Enabled {
		rounds = 40
	}
	for name, c := range map[string]struct {
		Config
		rules
		half bool
	}{
		"consecutive": {Config{ConsecutiveFailures: 3}, rules{consecutive: 3, probes: 1, successes: 1}, false},
		"rate":        {Config{MinCalls: 5}, rules{minCalls: 5, probes: 1, successes: 1}, false},
		"both":        {Config{ConsecutiveFailures: 3, FailureRate: 0.5, MinCalls: 5}, rules{3, 5, 1, 1}, false},
		"count":       {Config{CountWindow: 100, MinCalls: 5}, rules{minCalls: 5, probes: 1, successes: 1}, false},
		"half-open":   {Config{MinCalls: 5, Probes: 2, ProbeSuccesses: 3}, rules{minCalls: 5, probes: 2, successes: 3}, true},
	} {
		m := sequentialModel(c.rules)
		if c.half {
			start := m.Init
			m.Init = func() any { s := start().(sequential); s.state = HalfOpen; return s }
		}
		for range rounds {
			var ops []porcupine.Operation
			synctest.Test(t, func(t *testing.T) { ops = history(t, c.Config, c.half, 4, 20) })
			switch porcupine.CheckOperationsTimeout(m, ops, 5*time.Second) {
			case porcupine.Illegal:
				t.Fatalf("%s: not linearizable: %+v", name, ops)
			case porcupine.Unknown:
				t.Log(name, "one history took too long to judge")
			default:
			}
		}
	}
}

// The model can say no: a breaker that admits while it is open.
func TestLinearizableModelRefuses(t *testing.T) {
	ops := []porcupine.Operation{
		{Input: operation{"Trip", 1}, Output: 0, Call: 1, Return: 2},
		{Input: operation{"Allow", 2}, Output: 1, Call: 3, Return: 4},
	}
	require.False(t, porcupine.CheckOperations(sequentialModel(rules{consecutive: 1, probes: 1, successes: 1}), ops))
}
