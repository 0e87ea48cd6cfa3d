package boundedqueue

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// model is the queue as a slice, with the calls that wait in two more. It answers at once what the Queue must answer
// when all goroutines have come to rest.
type model struct {
	capacity       int
	overflow       Overflow
	values         []int
	putting        []*pending
	getting        []*pending
	dropped        []int
	gets, rejected int
	closed         bool
}

// pending is a call, what the Queue did with it, and what the model expects.
type pending struct {
	call
	left []int // of a put
	size int   // of a get

	wantEnded bool
	wantN     int
	wantGot   []int
	wantErr   error
}

func (m *model) end(p *pending, err error) { p.wantEnded, p.wantErr = true, err }

// put starts a put of vs; waiting tells whether it may wait.
func (m *model) put(p *pending, vs []int, waiting bool) {
	p.left = vs
	switch {
	case m.closed:
		m.end(p, ErrClosed)
	case m.overflow == DropOldest:
		m.move(p)
		p.wantN += len(p.left)
		all := slices.Concat(m.values, p.left)
		m.dropped = append(m.dropped, all[:max(0, len(all)-m.capacity)]...)
		m.values = slices.Clone(all[max(0, len(all)-m.capacity):])
		m.end(p, nil)
	default:
		if len(m.putting) == 0 {
			m.move(p)
		}
		switch {
		case len(p.left) == 0:
			m.end(p, nil)
		case waiting && m.overflow == Block:
			m.putting = append(m.putting, p)
		default:
			m.rejected += len(p.left)
			m.end(p, ErrFull)
		}
	}
}

// move brings values of p to the gets that wait and into the queue, as far as possible.
func (m *model) move(p *pending) {
	for len(p.left) > 0 && len(m.getting) > 0 {
		g := m.getting[0]
		k := min(g.size, len(p.left))
		m.deliver(g, p.left[:k])
		m.getting = m.getting[1:]
		p.left = p.left[k:]
		p.wantN += k
	}
	for len(p.left) > 0 && len(m.values) < m.capacity {
		m.values = append(m.values, p.left[0])
		p.left = p.left[1:]
		p.wantN++
	}
}

func (m *model) deliver(g *pending, vs []int) {
	g.wantGot, g.wantN = slices.Clone(vs), len(vs)
	m.gets += len(vs)
	m.end(g, nil)
}

func (m *model) get(p *pending, size int, waiting bool) {
	p.size = size
	switch {
	case len(m.values) > 0:
		k := min(size, len(m.values))
		m.deliver(p, m.values[:k])
		m.values = m.values[k:]
		for len(m.putting) > 0 && len(m.values) < m.capacity {
			head := m.putting[0]
			m.move(head)
			if len(head.left) == 0 {
				m.end(head, nil)
				m.putting = m.putting[1:]
			}
		}
	case m.closed:
		m.end(p, ErrClosed)
	case waiting:
		m.getting = append(m.getting, p)
	default:
		m.end(p, ErrEmpty)
	}
}

func (m *model) close() {
	m.closed = true
	for _, p := range slices.Concat(m.putting, m.getting) {
		m.end(p, ErrClosed)
	}
	m.putting, m.getting = nil, nil
}

// machine drives a Queue and the model with the same calls.
type machine struct {
	model
	q        *Queue[int]
	calls    []*pending
	reported []int
	next     int
}

func (m *machine) start(f func(ctx context.Context, c *call)) *pending {
	ctx, cancel := context.WithCancelCause(context.Background())
	if m.next%3 == 0 {
		ctx = context.Background()
	}
	p := &pending{call: call{cancel: cancel}}
	m.calls = append(m.calls, p)
	go func() {
		f(ctx, &p.call)
		p.ended = true
	}()
	return p
}

func (m *machine) fresh(n int) []int {
	m.next += n
	return count(m.next-n+1, m.next)
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"Put": func(*rapid.T) {
			vs := m.fresh(1)
			p := m.start(func(ctx context.Context, c *call) { c.err = m.q.Put(ctx, vs[0]); c.n = toInt(c.err == nil) })
			m.put(p, vs, true)
		},
		"TryPut": func(*rapid.T) {
			vs := m.fresh(1)
			p := m.start(func(_ context.Context, c *call) { c.err = m.q.TryPut(vs[0]); c.n = toInt(c.err == nil) })
			m.put(p, vs, false)
		},
		"PutBatch": func(t *rapid.T) {
			vs := m.fresh(rapid.IntRange(1, 2*m.capacity+1).Draw(t, "n"))
			p := m.start(func(ctx context.Context, c *call) { c.n, c.err = m.q.PutBatch(ctx, vs) })
			m.put(p, vs, true)
		},
		"Get": func(*rapid.T) {
			p := m.start(func(ctx context.Context, c *call) { c.take(m.q.Get(ctx)) })
			m.get(p, 1, true)
		},
		"TryGet": func(*rapid.T) {
			p := m.start(func(_ context.Context, c *call) { c.take(m.q.TryGet()) })
			m.get(p, 1, false)
		},
		"GetBatch": func(t *rapid.T) {
			size := rapid.IntRange(1, m.capacity+2).Draw(t, "size")
			p := m.start(func(ctx context.Context, c *call) {
				dst := make([]int, size)
				c.n, c.err = m.q.GetBatch(ctx, dst)
				c.got = dst[:c.n]
			})
			m.get(p, size, true)
		},
		"cancel": func(t *rapid.T) {
			waiting := slices.Concat(m.putting, m.getting)
			if len(waiting) == 0 {
				t.Skip("nobody waits")
			}
			p := rapid.SampledFrom(waiting).Draw(t, "who")
			p.cancel(errReason)
			synctest.Wait()
			if !p.ended { // its context cannot be cancelled
				return
			}
			m.end(p, errReason)
			gone := func(other *pending) bool { return other == p }
			m.putting = slices.DeleteFunc(m.putting, gone)
			m.getting = slices.DeleteFunc(m.getting, gone)
		},
		"Close": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
				m.q.Close()
				m.close()
			}
		},
		"": m.check,
	}
}

// take notes the result of a get of one value.
func (c *call) take(v int, err error) {
	c.err = err
	if err == nil {
		c.n, c.got = 1, []int{v}
	}
}

func toInt(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (m *machine) check(t *rapid.T) {
	synctest.Wait()
	for _, p := range m.calls {
		if p.ended != p.wantEnded || p.ended && (!sameError(p.err, p.wantErr) || p.n != p.wantN || !slices.Equal(p.got, p.wantGot)) {
			t.Fatalf("ended %v, n %d, got %v, %v; want %v, %d, %v, %v",
				p.ended, p.n, p.got, p.err, p.wantEnded, p.wantN, p.wantGot, p.wantErr)
		}
	}
	m.calls = slices.DeleteFunc(m.calls, func(p *pending) bool { return p.ended })
	s := m.q.Stats()
	front, ok := m.q.Peek()
	want := Stats{
		Len: len(m.values), Cap: m.capacity, HighWater: s.HighWater, Puts: uint64(m.gets + len(m.dropped) + len(m.values)),
		Gets: uint64(m.gets), Dropped: uint64(len(m.dropped)), Rejected: uint64(m.rejected), PutWaits: s.PutWaits,
		GetWaits: s.GetWaits, PutWaiters: len(m.putting), GetWaiters: len(m.getting), Closed: m.closed,
	}
	switch {
	case s != want:
		t.Fatalf("stats %+v, want %+v", s, want)
	case ok != (len(m.values) > 0) || ok && front != m.values[0]:
		t.Fatalf("front %v of %v", front, m.values)
	case !slices.Equal(m.reported, m.dropped):
		t.Fatalf("reported %v, want %v", m.reported, m.dropped)
	case s.HighWater < s.Len || s.HighWater > s.Cap:
		t.Fatalf("%+v", s)
	}
	if err := m.q.validate(); err != nil {
		t.Fatal(err)
	}
}

func sameError(got, want error) bool {
	if want == errReason { //nolint:errorlint // the model's own value
		return got != nil && fmt.Sprint(got) == context.Canceled.Error()+": "+want.Error()
	}
	return got == want //nolint:errorlint // the very sentinel, not wrapped
}

// Under any sequence of calls, of which some wait, some are cancelled and some end with Close, the queue is the slice.
func TestModel(t *testing.T) {
	for _, overflow := range []Overflow{Block, Reject, DropOldest} {
		t.Run(fmt.Sprint("overflow=", overflow), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rapid.SyncTest(t, func(t *rapid.T) {
					m := &machine{model: model{capacity: rapid.IntRange(1, 5).Draw(t, "capacity"), overflow: overflow}}
					q, err := New(Config[int]{
						Capacity: m.capacity, Overflow: overflow, OnDrop: func(v int) { m.reported = append(m.reported, v) },
					})
					if err != nil {
						t.Fatal(err)
					}
					m.q = q
					t.Repeat(m.actions())
					drained := q.CloseAndDrain()
					if !slices.Equal(drained, m.values) {
						t.Fatalf("drained %v, want %v", drained, m.values)
					}
					synctest.Wait()
				})
			})
		})
	}
}
