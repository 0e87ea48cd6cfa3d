package rwlock

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// modelWriter is a writer that waits in the model.
type modelWriter struct {
	id      int
	since   time.Time
	overdue bool
}

// model is the lock in ten sentences: no word, no race, no mutex. What happens to a call is noted in done.
type model struct {
	policy  Policy
	bound   time.Duration
	readers int
	writing bool
	rq      []int
	wq      []modelWriter
	done    map[int]bool // calls that hold or have held the lock

	readWaits, writeWaits, overdue uint64
}

func (m *model) gate() bool {
	return len(m.wq) > 0 && (m.policy != ReaderPreferring || m.wq[0].overdue)
}

// pass lets time pass: writers grow old.
func (m *model) pass() {
	for i := range m.wq {
		if w := &m.wq[i]; m.bound > 0 && !w.overdue && time.Since(w.since) >= m.bound {
			w.overdue = true
			m.overdue++
		}
	}
}

func (m *model) rlock(id int) {
	if m.writing || m.gate() {
		m.rq = append(m.rq, id)
		m.readWaits++
		return
	}
	m.readers++
	m.done[id] = true
}

func (m *model) lock(id int) {
	if m.writing || m.readers > 0 {
		m.wq = append(m.wq, modelWriter{id: id, since: time.Now()})
		m.writeWaits++
		return
	}
	m.writing, m.done[id] = true, true
}

func (m *model) admitReaders() {
	for _, id := range m.rq {
		m.done[id] = true
	}
	m.readers += len(m.rq)
	m.rq = nil
}

func (m *model) admitWriter() {
	m.writing, m.done[m.wq[0].id] = true, true
	m.wq = m.wq[1:]
}

func (m *model) runlock() {
	m.readers--
	if m.readers == 0 && len(m.wq) > 0 {
		m.admitWriter()
	}
}

func (m *model) unlock() {
	m.writing = false
	if len(m.wq) > 0 && (m.policy == WriterPreferring || len(m.rq) == 0) {
		m.admitWriter()
		return
	}
	m.admitReaders()
}

func (m *model) downgrade() {
	m.writing, m.readers = false, 1
	if m.policy != WriterPreferring || len(m.wq) == 0 {
		m.admitReaders()
	}
}

func (m *model) tryUpgrade() bool {
	if m.readers != 1 {
		return false
	}
	m.readers, m.writing = 0, true
	return true
}

func (m *model) cancel(id int) {
	m.rq = slices.DeleteFunc(m.rq, func(other int) bool { return other == id })
	m.wq = slices.DeleteFunc(m.wq, func(w modelWriter) bool { return w.id == id })
	if !m.writing && !m.gate() {
		m.admitReaders()
	}
}

func (m *model) stats() Stats {
	s := Stats{
		Readers: m.readers, Writing: m.writing, WaitingReaders: len(m.rq), WaitingWriters: len(m.wq),
		ReadWaits: m.readWaits, WriteWaits: m.writeWaits, Overdue: m.overdue,
	}
	if len(m.wq) > 0 {
		s.OldestWriterWait = time.Since(m.wq[0].since)
	}
	return s
}

// running is a call of a goroutine of its own.
type running struct {
	id     int
	cancel context.CancelFunc // nil for Lock and RLock
	ended  atomic.Bool        // set last
	err    error
}

// machine does the same operations on a lock and on the model.
type machine struct {
	model
	l     *RWLock
	calls []*running // all that were started and have not been judged
	next  int
}

func newMachine(cfg Config) (*machine, error) {
	l, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &machine{l: l, model: model{policy: cfg.Policy, bound: cfg.MaxWriterWait, done: map[int]bool{}}}, nil
}

// start runs a blocking call.
func (m *machine) start(write, cancellable bool) {
	c := &running{id: m.next}
	m.next++
	ctx := context.Background()
	if cancellable {
		ctx, c.cancel = context.WithCancel(ctx)
	}
	m.calls = append(m.calls, c)
	go func() {
		switch {
		case write && cancellable:
			c.err = m.l.LockContext(ctx)
		case write:
			m.l.Lock()
		case cancellable:
			c.err = m.l.RLockContext(ctx)
		default:
			m.l.RLock()
		}
		c.ended.Store(true)
	}()
	if write {
		m.lock(c.id)
	} else {
		m.rlock(c.id)
	}
}

// misuse calls f, which has to panic exactly if wrong; it reports whether it did not.
func misuse(wrong bool, f func()) (ok bool, err error) {
	defer func() {
		if p := recover(); (p != nil) != wrong {
			ok, err = false, fmt.Errorf("panic: %v, want one: %v", p, wrong)
		}
	}()
	f()
	return true, nil
}

// The operations of a program.
const (
	opRLock = iota
	opRLockContext
	opLock
	opLockContext
	opRUnlock
	opUnlock
	opTryRLock
	opTryLock
	opDowngrade
	opTryUpgrade
	opCancel
	opSleep
	ops
)

// step does one operation on both and compares.
func (m *machine) step(op, arg byte) error {
	var err error
	var ok bool
	switch op % ops {
	case opRLock, opRLockContext:
		m.start(false, op%ops == opRLockContext)
	case opLock, opLockContext:
		m.start(true, op%ops == opLockContext)
	case opRUnlock:
		if ok, err = misuse(m.readers == 0, m.l.RUnlock); ok {
			m.runlock()
		}
	case opUnlock:
		if ok, err = misuse(!m.writing, m.l.Unlock); ok {
			m.unlock()
		}
	case opDowngrade:
		if ok, err = misuse(!m.writing, m.l.Downgrade); ok {
			m.downgrade()
		}
	case opTryUpgrade:
		var got bool
		if ok, err = misuse(m.readers == 0, func() { got = m.l.TryUpgrade() }); ok && got != m.tryUpgrade() {
			err = fmt.Errorf("TryUpgrade = %v", got)
		}
	case opTryRLock:
		want := !m.writing && !m.gate()
		if m.l.TryRLock() != want {
			err = fmt.Errorf("TryRLock = %v", !want)
		} else if want {
			m.readers++
		}
	case opTryLock:
		want := !m.writing && m.readers == 0
		if m.l.TryLock() != want {
			err = fmt.Errorf("TryLock = %v", !want)
		}
		m.writing = m.writing || want
	case opCancel:
		m.cancelOne(int(arg))
	case opSleep:
		time.Sleep(time.Duration(arg%8) * time.Millisecond)
	}
	if err != nil {
		return err
	}
	return m.compare()
}

func (m *machine) cancelOne(which int) {
	waiting := slices.DeleteFunc(slices.Clone(m.calls), func(c *running) bool { return c.cancel == nil })
	if len(waiting) == 0 {
		return
	}
	c := waiting[which%len(waiting)]
	c.cancel()
	m.cancel(c.id)
}

// compare asks that exactly those calls have ended that the model let in or that were cancelled, and that Stats and word
// say the same as the model.
func (m *machine) compare() error {
	synctest.Wait()
	m.pass()
	for _, c := range m.calls {
		waits := slices.Contains(m.rq, c.id) || slices.ContainsFunc(m.wq, func(w modelWriter) bool { return w.id == c.id })
		if c.ended.Load() == waits {
			return fmt.Errorf("call %d has ended: %v, should wait: %v", c.id, !waits, waits)
		}
		if !waits && (c.err == nil) != m.done[c.id] {
			return fmt.Errorf("call %d got %v, should hold the lock: %v", c.id, fmt.Sprint(c.err), m.done[c.id])
		}
	}
	m.calls = slices.DeleteFunc(m.calls, func(c *running) bool { return c.ended.Load() })
	if got, want := m.l.Stats(), m.stats(); got != want {
		return fmt.Errorf("\n%+v, want\n%+v", got, want)
	}
	return m.compareWord()
}

func (m *machine) compareWord() error {
	want := int64(m.readers)
	if m.writing {
		want = held + int64(len(m.rq))
	}
	if m.gate() {
		want |= gate
	}
	if len(m.rq)+len(m.wq) > 0 {
		want |= wait
	}
	if got := m.l.state.Load(); got != want {
		return fmt.Errorf("word %#x, want %#x", got, want)
	}
	return consistent(m.l)
}

// consistent validates a lock that others may use.
func consistent(l *RWLock) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.validate()
}

// finish gives everything back, and asks that nothing is left.
func (m *machine) finish() error {
	for m.writing || m.readers > 0 {
		op := byte(opRUnlock)
		if m.writing {
			op = opUnlock
		}
		if err := m.step(op, 0); err != nil {
			return err
		}
	}
	if m.l.state.Load() != 0 || len(m.calls) > 0 {
		return fmt.Errorf("left: word %#x, %d calls", m.l.state.Load(), len(m.calls))
	}
	return nil
}

var modelConfigs = []Config{
	{},
	{Policy: WriterPreferring},
	{Policy: PhaseFair},
	{MaxWriterWait: 10 * time.Millisecond},
}

// The lock does what the model does, under every policy, for any sequence of calls, misuse included.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			m, err := newMachine(rapid.SampledFrom(modelConfigs).Draw(rt, "config"))
			if err != nil {
				rt.Fatal(err)
			}
			program := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) [2]byte {
				return [2]byte{byte(rapid.IntRange(0, ops-1).Draw(rt, "op")), rapid.Byte().Draw(rt, "arg")}
			}), 0, 60).Draw(rt, "program")
			for i, in := range program {
				if err := m.step(in[0], in[1]); err != nil {
					m.abandon()
					rt.Fatalf("step %d, %v: %v", i, in, err)
				}
			}
			if err := m.finish(); err != nil {
				m.abandon()
				rt.Fatal(err)
			}
		})
	})
}

// abandon ends the goroutines of a run that failed, as far as that is possible.
func (m *machine) abandon() {
	for _, c := range m.calls {
		if c.cancel != nil {
			c.cancel()
		}
	}
}
