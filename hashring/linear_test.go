package hashring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// linCall is one call of a history: a change of the nodes with these IDs to a
// value, or a look-up. Its output is a text.
type linCall struct {
	op    string
	ids   []string
	value string
}

// linKey is the key of all look-ups, so that every change of its owner shows.
const linKey = "hot"

// linState is a membership: "id=value;" of each member by ascending ID.
type linState string

func (s linState) nodes() map[string]Node[string] {
	nodes := map[string]Node[string]{}
	for _, entry := range strings.FieldsFunc(string(s), func(r rune) bool { return r == ';' }) {
		id, value, _ := strings.Cut(entry, "=")
		nodes[id] = Node[string]{ID: id, Value: value}
	}
	return nodes
}

func linText(nodes map[string]Node[string]) linState {
	text := ""
	for _, id := range (&naive{nodes: nodes}).ids() {
		text += id + "=" + nodes[id].Value + ";"
	}
	return linState(text)
}

// step is the specification of the membership in four changes and four look-ups.
func (s linState) step(in linCall) (string, linState) {
	nodes := s.nodes()
	known := slices.DeleteFunc(slices.Clone(in.ids), func(id string) bool { return nodes[id].ID == "" })
	set := func() linState {
		for _, id := range in.ids {
			nodes[id] = Node[string]{ID: id, Value: in.value}
		}
		return linText(nodes)
	}
	model := newNaive(2)
	model.nodes = nodes
	switch in.op {
	case "Add":
		if len(known) > 0 {
			return ErrNodeExists.Error(), s
		}
		return "", set()
	case "Update":
		if len(known) < len(in.ids) {
			return ErrNodeNotFound.Error(), s
		}
		return "", set()
	case "Replace":
		clear(nodes)
		return "", set()
	case "Remove":
		if len(known) < len(in.ids) {
			return ErrNodeNotFound.Error(), s
		}
		for _, id := range in.ids {
			delete(nodes, id)
		}
		return "", linText(nodes)
	case "Get":
		return nodes[model.owner(Hash(linKey))].Value, s
	case "Walk":
		return strings.Join(model.walk(Hash(linKey)), " "), s
	case "Len":
		return fmt.Sprint(len(nodes)), s
	default: // All
		return string(s), s
	}
}

func (in linCall) do(r *Ring[string]) string {
	nodes := Nodes(in.ids...)
	for i := range nodes {
		nodes[i].Value = in.value
	}
	short := func(err error) string { // without the ID
		if err == nil {
			return ""
		}
		text, _, _ := strings.Cut(err.Error(), ": \"")
		return text
	}
	switch in.op {
	case "Add":
		return short(r.Add(nodes...))
	case "Update":
		return short(r.Update(nodes...))
	case "Replace":
		return short(r.Replace(nodes...))
	case "Remove":
		return short(r.Remove(in.ids...))
	case "Get":
		value, _ := r.Get(linKey)
		return value
	case "Walk":
		return strings.Join(walkIDs(r, linKey), " ")
	case "Len":
		return fmt.Sprint(r.Len())
	default: // All
		text := ""
		for id, node := range r.All() {
			text += id + "=" + node.Value + ";"
		}
		return text
	}
}

var linModel = porcupine.Model{
	Init: func() any { return linState("") },
	Step: func(state, in, out any) (bool, any) {
		want, next := state.(linState).step(in.(linCall))
		return want == out.(string), next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v = %q", in, out) },
}

func linHistory(t *testing.T, clients, calls, round int) []porcupine.Operation {
	t.Helper()
	r := mustNew(t, Config[string]{VirtualNodes: 2})
	histories := make([][]porcupine.Operation, clients)
	start := time.Now()
	hammer.Run(t, clients, calls, func(client int, rng *rand.Rand) error {
		for range round { // a different part of the sequence in each history
			rng.Uint64()
		}
		ids := []string{"a", "b", "c", "d"}
		rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		in := linCall{
			op:    []string{"Add", "Update", "Replace", "Remove", "Get", "Get", "Walk", "Len", "All"}[rng.IntN(9)],
			ids:   ids[:1+rng.IntN(2)],
			value: fmt.Sprint(client, ".", len(histories[client])),
		}
		call := int64(time.Since(start))
		out := in.do(r)
		histories[client] = append(histories[client], porcupine.Operation{
			ClientId: client, Input: in, Call: call, Output: out, Return: int64(time.Since(start)),
		})
		return nil
	})
	return slices.Concat(histories...)
}

// Concurrent changes and look-ups have the results that they would have had one
// after the other, in an order that agrees with real time: above all, a change
// that returned is seen by every call that starts after it. With -tags chaos the
// goroutines are made to yield in every gap.
func TestLinearizable(t *testing.T) {
	histories := 40
	if chaos.Enabled {
		histories = 200
	}
	for round := range histories {
		ops := linHistory(t, 4, 25, round)
		require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(linModel, ops, 30*time.Second), "history %d: %+v", round, ops)
	}
}

// The checker must refuse a history that no ring explains, or the test above
// proves nothing.
func TestLinearizableModelRefuses(t *testing.T) {
	op := func(at int64, name, out string) porcupine.Operation {
		return porcupine.Operation{Input: linCall{name, []string{"a"}, "1"}, Call: at, Output: out, Return: at + 1}
	}
	require.True(t, porcupine.CheckOperations(linModel, []porcupine.Operation{op(0, "Add", ""), op(2, "Get", "1"), op(4, "Walk", "a")}))
	require.False(t, porcupine.CheckOperations(linModel, []porcupine.Operation{op(0, "Add", ""), op(2, "Get", "")}), "a stale answer")
	require.False(t, porcupine.CheckOperations(linModel, []porcupine.Operation{op(0, "Add", ""), op(2, "Add", "")}), "a lost change")
}
