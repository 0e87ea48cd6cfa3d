package lru

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// linOp is one call. Its output is a text: what the call returned, and which entries it made leave, in order.
type linOp struct {
	name       string
	key, value int
}

// linState is the contents of an LRU, the least recent first, and its capacity.
type linState struct {
	capacity int
	entries  string // "key=value;" for each entry
}

// linStep is the sequential specification of an LRU in ten cases. It returns what the call must have put out.
func linStep(s linState, op linOp) (string, linState) {
	entries := strings.SplitAfter(s.entries, ";")
	entries = entries[:len(entries)-1]
	at := slices.IndexFunc(entries, func(e string) bool { return strings.HasPrefix(e, fmt.Sprintf("%d=", op.key)) })
	present := at >= 0
	found := "none"
	if present {
		found = entries[at]
	}
	added := fmt.Sprintf("%d=%d;", op.key, op.value)
	promote := func(e string) { entries = append(slices.Delete(entries, at, at+1), e) }
	out := found
	switch op.name {
	case "get":
		if present {
			promote(found)
		}
	case "peek":
	case "set":
		if present {
			promote(added)
			out = "replaced " + found
			break
		}
		entries = append(entries, added)
		out = "evicted " + trim(&entries, s.capacity)
	case "getorset":
		if present {
			promote(found)
			break
		}
		entries = append(entries, added)
		out = "evicted " + trim(&entries, s.capacity)
	case "delete":
		if present {
			entries = slices.Delete(entries, at, at+1)
		}
	case "oldest", "deleteoldest":
		out = "none"
		if len(entries) > 0 {
			out = entries[0]
			if op.name == "deleteoldest" {
				entries = entries[1:]
			}
		}
	case "len":
		out = strconv.Itoa(len(entries))
	case "keys":
		out = strings.Join(entries, "")
	case "resize":
		s.capacity = op.value
		out = "evicted " + trim(&entries, s.capacity)
	case "clear":
		out, entries = strings.Join(entries, ""), nil
	}
	s.entries = strings.Join(entries, "")
	return out, s
}

func trim(entries *[]string, capacity int) string {
	n := max(len(*entries)-capacity, 0)
	out := strings.Join((*entries)[:n], "")
	*entries = (*entries)[n:]
	return out
}

func linModel(capacity int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return linState{capacity: capacity} },
		Step: func(state, input, output any) (bool, any) {
			want, next := linStep(state.(linState), input.(linOp))
			return want == output.(string), next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %q", input, output) },
	}
}

func pairText(key, value int, ok bool) string {
	if !ok {
		return "none"
	}
	return fmt.Sprintf("%d=%d;", key, value)
}

// apply makes the call on the cache below its hooks, where the departures of this very call can be seen.
func (op linOp) apply(c *Cache[int, int]) string {
	var gone departures[int, int]
	text := func() (s string) {
		gone.Report(func(k, v int, _ Reason) { s += pairText(k, v, true) })
		return s
	}
	e := entry[int, int]{hash: c.hash(op.key), key: op.key, value: op.value}
	switch op.name {
	case "get":
		v, ok := c.Get(op.key)
		return pairText(op.key, v, ok)
	case "peek":
		v, ok := c.Peek(op.key)
		return pairText(op.key, v, ok)
	case "set":
		c.set(&e, &gone)
		if gone.Len() > 0 && gone.Reason(0) == Replaced {
			return "replaced " + text()
		}
		return "evicted " + text()
	case "getorset":
		if v, loaded := c.getOrSet(&e, &gone); loaded {
			return pairText(op.key, v, true)
		}
		return "evicted " + text()
	case "delete":
		v, ok := c.Delete(op.key)
		return pairText(op.key, v, ok)
	case "oldest":
		return pairText(c.Oldest())
	case "deleteoldest":
		return pairText(c.DeleteOldest())
	case "len":
		return strconv.Itoa(c.Len())
	case "keys":
		s := ""
		for k, v := range c.All() {
			s += pairText(k, v, true)
		}
		return s
	case "resize":
		c.resize(op.value, &gone)
		return "evicted " + text()
	case "clear":
		c.clear(&gone)
		return text()
	}
	panic(op.name)
}

// linOps are drawn by name; the common ones stand there often.
var linOps = slices.Concat(
	slices.Repeat([]string{"get", "set"}, 5),
	slices.Repeat([]string{"getorset", "delete"}, 2),
	[]string{"peek", "oldest", "deleteoldest", "len", "keys", "resize", "clear"},
)

func record(t *testing.T, c *Cache[int, int], clients, rounds int, round uint64) []porcupine.Operation {
	t.Helper()
	histories := make([][]porcupine.Operation, clients)
	start := time.Now()
	hammer.Run(t, clients, rounds, func(client int, rng *rand.Rand) error {
		for range round { // a different part of the sequence in each history
			rng.Uint64()
		}
		op := linOp{name: linOps[rng.IntN(len(linOps))], key: rng.IntN(6), value: 1000*client + len(histories[client])}
		if op.name == "resize" {
			op.value = 2 + rng.IntN(3)
		}
		call := int64(time.Since(start))
		out := op.apply(c)
		histories[client] = append(histories[client], porcupine.Operation{
			ClientId: client, Input: op, Call: call, Output: out, Return: int64(time.Since(start)),
		})
		return nil
	})
	return slices.Concat(histories...)
}

// TestLinearizable records concurrent histories and asks for a sequential order that explains them, evictions included.
// With -tags chaos the goroutines are made to yield in every gap.
func TestLinearizable(t *testing.T) {
	histories := 10
	if chaos.Enabled {
		histories = 60
	}
	for _, shards := range []int{0, 2, 8} {
		for _, capacity := range []int{2, 3, 4} {
			t.Run(fmt.Sprintf("shards=%d/cap=%d", shards, capacity), func(t *testing.T) {
				for round := range histories {
					c := mustNew(t, Config[int, int]{Capacity: capacity, Shards: shards})
					history := record(t, c, 4, 40, uint64(round))
					result := porcupine.CheckOperationsTimeout(linModel(capacity), history, 30*time.Second)
					require.Equal(t, porcupine.Ok, result, "history %d", round)
					validate(t, c)
				}
			})
		}
	}
}

// The checker must refuse a history that no LRU explains, or the test above proves nothing.
func TestLinearizableModelRefuses(t *testing.T) {
	op := func(client int, name string, key int, call int64, out string) porcupine.Operation {
		return porcupine.Operation{
			ClientId: client, Input: linOp{name: name, key: key, value: key}, Call: call, Output: out, Return: call + 1,
		}
	}
	fill := []porcupine.Operation{op(0, "set", 1, 0, "evicted "), op(0, "set", 2, 10, "evicted "), op(0, "get", 1, 20, "1=1;")}
	right := append(slices.Clone(fill), op(0, "set", 3, 30, "evicted 2=2;"))
	wrong := append(slices.Clone(fill), op(0, "set", 3, 30, "evicted 1=1;"))
	require.True(t, porcupine.CheckOperations(linModel(2), right))
	require.False(t, porcupine.CheckOperations(linModel(2), wrong))
}
