package circuitbreaker

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// model is the breaker without any cleverness: it keeps every result of the present stay with its time, and asks the clock
// before each step what should have happened since.
type model struct {
	c        Config
	state    State
	mode     Mode
	episode  int // number of the stay
	began    time.Duration
	until    time.Duration // Open
	failed   int           // half-open periods in a row
	results  []result      // of this Closed stay
	probes   []probe       // in flight
	passed   int           // probes
	refused  int           // probes that failed
	ramp     bool
	total    Counts
	rejected uint64
	stale    uint64
	opens    uint64
	changes  []string
}

type result struct {
	at      time.Duration
	failure bool
	slow    bool
}

type probe struct {
	id    int
	start time.Duration
}

// call is an admitted call.
type call struct {
	id, episode int
	start       time.Duration
	ended       bool
}

func (m *model) become(s State, r Reason, now time.Duration) {
	if s != m.state {
		m.changes = append(m.changes, fmt.Sprintf("%v->%v: %v", m.state, s, r))
		if s == Open {
			m.opens++
		}
	}
	m.state, m.began = s, now
	m.episode++
	m.results, m.probes, m.passed, m.refused, m.ramp = nil, nil, 0, 0, false
	if s == Closed {
		m.failed = 0
	}
}

func (m *model) open(r Reason, now, stay time.Duration) {
	m.become(Open, r, now)
	m.until = now + stay
}

func (m *model) stay() time.Duration {
	return min(m.c.OpenDuration<<m.failed, m.c.MaxOpenDuration)
}

// pass lets the time pass to now: timers.
func (m *model) pass(now time.Duration) {
	for {
		switch {
		case m.mode == ModeAuto && m.state == Open && m.until <= now:
			failed := m.failed
			m.become(HalfOpen, ReasonOpenElapsed, m.until)
			m.failed = failed
		case m.state == HalfOpen && len(m.probes) > 0 && m.probes[0].start+m.c.ProbeTimeout <= now:
			m.failed++
			m.open(ReasonProbeTimeout, m.probes[0].start+m.c.ProbeTimeout, m.stay())
		default:
			return
		}
	}
}

// admits returns whether a call is admitted; unsure during the ramp, where only the share is promised.
func (m *model) admits(now time.Duration) (yes, sure bool) {
	switch m.state {
	case Open:
		return false, true
	case HalfOpen:
		return len(m.probes) < m.c.Probes, true
	default:
		return true, !m.ramp || now-m.began >= m.c.RecoveryRamp
	}
}

func (m *model) admit(id int, now time.Duration) *call {
	if m.state == HalfOpen {
		m.probes = append(m.probes, probe{id, now})
	}
	return &call{id: id, episode: m.episode, start: now}
}

// end records a result.
func (m *model) end(c *call, o Outcome, now time.Duration) {
	if c.ended {
		return
	}
	c.ended = true
	slow := m.c.SlowCallDuration > 0 && now-c.start >= m.c.SlowCallDuration
	switch {
	case c.episode != m.episode:
		m.stale++
		return
	case m.state == HalfOpen:
		m.endProbe(c, o, slow, now)
		return
	}
	m.total.count(o, slow)
	if o == Ignored {
		return
	}
	m.results = append(m.results, result{now, o == Failure, slow})
	if m.mode != ModeAuto || o == Success && !slow {
		return
	}
	if r := m.verdict(now); r != 0 {
		m.open(r, now, m.stay())
	}
}

func (m *model) endProbe(c *call, o Outcome, slow bool, now time.Duration) {
	for i, p := range m.probes {
		if p.id == c.id {
			m.probes = append(m.probes[:i:i], m.probes[i+1:]...)
			break
		}
	}
	m.total.count(o, slow)
	switch {
	case o == Ignored:
		return
	case o == Failure || slow:
		m.refused++
	default:
		m.passed++
	}
	switch {
	case m.passed >= m.c.ProbeSuccesses:
		m.become(Closed, ReasonProbesPassed, now)
		m.ramp = m.c.RecoveryRamp > 0
	case m.refused >= m.c.ProbeFailures:
		failed := m.failed + 1
		m.failed = failed
		m.open(ReasonProbeFailed, now, m.stay())
		m.failed = failed
	}
}

func (m *model) streak() (n int) {
	for i := len(m.results) - 1; i >= 0 && m.results[i].failure; i-- {
		n++
	}
	return n
}

// window returns what the rules see: a result is gone when ten tenths of the window have begun since its own.
func (m *model) window(now time.Duration) (c Counts) {
	epoch := func(t time.Duration) int64 {
		hi, lo := bits.Mul64(uint64(t), 10)
		e, _ := bits.Div64(hi, lo, uint64(m.c.Window))
		return int64(e)
	}
	for i, r := range m.results {
		gone := m.c.CountWindow > 0 && i < len(m.results)-m.c.CountWindow
		if m.c.CountWindow == 0 {
			gone = epoch(now)-epoch(r.at) >= 10
		}
		if !gone {
			o := Success
			if r.failure {
				o = Failure
			}
			c.count(o, r.slow)
		}
	}
	return c
}

func (m *model) verdict(now time.Duration) Reason {
	c := m.window(now)
	calls := c.Successes + c.Failures
	switch {
	case m.c.ConsecutiveFailures > 0 && m.streak() >= m.c.ConsecutiveFailures:
		return ReasonConsecutive
	case calls < uint64(m.c.MinCalls):
		return 0
	case m.c.FailureRate > 0 && float64(c.Failures) >= m.c.FailureRate*float64(calls): // the rates of the tests are halves and quarters
		return ReasonFailureRate
	case m.c.SlowCallRate > 0 && float64(c.Slow) >= m.c.SlowCallRate*float64(calls):
		return ReasonSlowRate
	}
	return 0
}

func (m *model) trip(d, now time.Duration) {
	switch {
	case m.mode != ModeAuto:
	case m.state == Open:
		m.until = max(m.until, now+d)
	default:
		failed := m.failed
		m.open(ReasonTripped, now, d)
		m.failed = failed
	}
}

func (m *model) reset(now time.Duration) {
	if m.mode == ModeAuto {
		m.become(Closed, ReasonReset, now)
	}
}

func (m *model) setMode(mode Mode, now time.Duration) {
	if mode == m.mode {
		return
	}
	m.mode = mode
	if mode == ModeForcedOpen {
		m.become(Open, ReasonMode, now)
		return
	}
	m.become(Closed, ReasonMode, now)
}

// agree compares everything that can be seen.
func (m *model) agree(b *Breaker, l *log, now time.Duration) error {
	s := b.Stats()
	want := Stats{
		State: m.state, Mode: m.mode, Total: m.total, Probes: len(m.probes),
		Rejected: m.rejected, Discarded: m.stale, Opens: m.opens,
	}
	if m.state == Closed {
		want.Window, want.ConsecutiveFailures, want.Share = m.window(now), m.streak(), s.Share
		if m.c.FailureRate == 0 && m.c.SlowCallRate == 0 {
			want.Window = Counts{}
		}
	}
	if m.state == Open && m.mode == ModeAuto {
		want.Until = b.base.Add(m.until)
		if !want.Until.Equal(s.Until) {
			return fmt.Errorf("open until %v, want %v", s.Until, want.Until)
		}
	}
	want.Until = s.Until
	if s != want {
		return fmt.Errorf("have %+v\nwant %+v", s, want)
	}
	if got := l.take(); fmt.Sprint(got) != fmt.Sprint(m.changes) {
		return fmt.Errorf("told %v, want %v", got, m.changes)
	}
	m.changes = nil
	return nil
}

// driver runs a breaker and its model side by side.
type driver struct {
	m     *model
	b     *Breaker
	l     *log
	calls []*call
	live  []*Ticket
	start time.Time
}

func newDriver(c Config) (*driver, error) {
	d := &driver{l: &log{}, start: time.Now()}
	c.OnStateChange = d.l.add
	b, err := New(c)
	d.b = b
	if c.CountWindow == 0 && c.Window == 0 {
		c.Window = 10 * time.Second
	}
	d.m = &model{c: c}
	return d, err
}

func (d *driver) now() time.Duration { return time.Since(d.start) }

func (d *driver) allow() error {
	d.m.pass(d.now())
	want, sure := d.m.admits(d.now())
	ticket, err := d.b.Allow()
	if sure && want != (err == nil) {
		return fmt.Errorf("admission %w, want %v", err, want)
	}
	if err != nil {
		d.m.rejected++
		if e, ok := errors.AsType[*OpenError](err); !ok || e.State != d.m.state {
			return fmt.Errorf("rejected by %w in state %v", err, d.m.state)
		}
		return nil
	}
	d.calls = append(d.calls, d.m.admit(len(d.calls), d.now()))
	d.live = append(d.live, &ticket)
	return nil
}

func (d *driver) end(i int, o Outcome) {
	if len(d.calls) == 0 {
		return
	}
	i %= len(d.calls)
	d.m.pass(d.now())
	d.m.end(d.calls[i], o, d.now())
	switch o {
	case Success:
		d.live[i].Done(nil)
	case Failure:
		d.live[i].Done(errDown)
	default:
		d.live[i].Cancel()
	}
}

func (d *driver) sleep(t time.Duration) {
	sleep(t)
	d.m.pass(d.now())
}
