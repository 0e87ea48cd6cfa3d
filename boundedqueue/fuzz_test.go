package boundedqueue

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzQueue runs a program of calls that need not wait, a letter each, at capacities 1 to 5 under each policy: the queue is
// a slice, and no program makes it panic.
func FuzzQueue(f *testing.F) {
	f.Add(uint8(1), uint8(0), "pgpgppgg")
	f.Add(uint8(3), uint8(1), "bbBGgPpcg")
	f.Add(uint8(5), uint8(2), "BBpbGBcdg")
	f.Fuzz(func(t *testing.T, capacity, policy uint8, program string) {
		capacity, policy = 1+capacity%5, policy%3
		m := &model{capacity: int(capacity), overflow: Overflow(policy)}
		var reported []int
		q := newQueue(t, Config[int]{
			Capacity: m.capacity, Overflow: m.overflow, OnDrop: func(v int) { reported = append(reported, v) },
		})
		next := 0
		for _, op := range program {
			next += 10
			runFuzzed(t, q, m, op, next)
			require.Equal(t, len(m.values), q.Len())
			require.NoError(t, q.validate())
		}
		require.True(t, slices.Equal(m.dropped, reported))
		require.True(t, slices.Equal(m.values, q.CloseAndDrain()))
	})
}

func runFuzzed(t *testing.T, q *Queue[int], m *model, op rune, v int) {
	t.Helper()
	p := &pending{}
	switch op {
	case 'p', 'P':
		p.err = q.TryPut(v)
		p.n = toInt(p.err == nil)
		m.put(p, []int{v}, false)
	case 'b', 'B': // a batch that fits, unless it need not wait
		vs := count(v, v+2*m.capacity*int(op-'B')/('b'-'B'))
		if m.overflow == Block {
			vs = vs[:min(len(vs), m.capacity-len(m.values))]
		}
		if len(vs) == 0 {
			return
		}
		p.n, p.err = q.PutBatch(t.Context(), vs)
		m.put(p, vs, true)
	case 'g':
		p.take(q.TryGet())
		m.get(p, 1, false)
	case 'G':
		if len(m.values) == 0 {
			return
		}
		dst := make([]int, 3)
		p.n, p.err = q.GetBatch(t.Context(), dst)
		p.got = dst[:p.n]
		m.get(p, 3, true)
	case 'c':
		q.Close()
		m.close()
		return
	case 'd':
		require.True(t, slices.Equal(m.values, q.CloseAndDrain()))
		m.values = nil
		m.close()
		return
	default:
		return
	}
	require.Equal(t, p.wantErr, p.err)
	require.Equal(t, p.wantN, p.n)
	require.True(t, slices.Equal(p.wantGot, p.got))
}
