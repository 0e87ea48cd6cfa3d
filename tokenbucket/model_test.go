package tokenbucket

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/big"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// model is the textbook bucket in rational numbers: a level that rises continuously, and a queue whose head is charged at
// the instant at which the level suffices. For a rate that a Bucket holds exactly the two must agree to the nanosecond,
// for the others the model follows the Bucket wherever a nanosecond more or less would turn the decision.
type model struct {
	rate  *big.Rat // tokens per nanosecond
	burst int64
	exact bool
	level *big.Rat
	at    time.Duration
	queue []*ticket
}

// ticket is one place in the queue of the model, and how to see what the Bucket did with it.
type ticket struct {
	n, need int64
	blocked *waitCall
	res     *Reservation
	end     time.Duration // when the model charged it
}

// waitCall is a WaitN in a goroutine of its own.
type waitCall struct {
	cancel context.CancelFunc
	done   atomic.Bool // set last
	err    error
	end    time.Duration
}

// served tells whether the Bucket had charged k at the instant to, which may be past. When a reservation was charged cannot
// be seen; what can is that it was.
func (k *ticket) served(to, due time.Duration) bool {
	if k.blocked != nil {
		return k.blocked.done.Load() && k.blocked.err == nil && k.blocked.end <= to
	}
	return k.res.place.status == charged && due <= to+1
}

func rat(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func (m *model) setRate(r Rate, burst int64) {
	m.rate = new(big.Rat).SetFrac64(r.Tokens, int64(r.Per))
	m.burst = burst
	m.exact = m.rate.Num().Cmp(big.NewInt(10)) <= 0
}

// produced is what the rate yields in d.
func (m *model) produced(d time.Duration) *big.Rat { return new(big.Rat).Mul(m.rate, rat(int64(d))) }

// slack is by how much the level of the Bucket may differ: what a nanosecond yields.
func (m *model) slack() *big.Rat {
	if m.exact {
		return new(big.Rat)
	}
	return m.produced(1)
}

// until is the time, in whole nanoseconds, after which the level has need tokens more than nothing.
func (m *model) until(need *big.Rat) time.Duration {
	short := new(big.Rat).Sub(need, m.level)
	if short.Sign() <= 0 {
		return 0
	}
	short.Quo(short, m.rate)
	d, rest := new(big.Int).QuoRem(short.Num(), short.Denom(), new(big.Int))
	if rest.Sign() != 0 {
		d.Add(d, big.NewInt(1))
	}
	return time.Duration(d.Int64())
}

func (m *model) tolerance() time.Duration {
	if m.exact {
		return 0
	}
	return 1
}

// advance moves the model to the instant to and charges everybody whose turn comes.
func (m *model) advance(t *rapid.T, to time.Duration) {
	for len(m.queue) > 0 {
		head := m.queue[0]
		due := m.at + m.until(rat(head.need))
		switch served := head.served(to, due); {
		case due <= to-m.tolerance() && !served:
			t.Fatalf("%d tokens due at %v are not served at %v", head.need, due, to)
		case due > to+m.tolerance() && served:
			t.Fatalf("%d tokens due at %v are served at %v", head.need, due, to)
		case !served:
			m.rise(to)
			return
		}
		head.end = min(due, to)
		m.rise(head.end)
		m.level.Sub(m.level, rat(head.need))
		m.queue = m.queue[1:]
	}
	m.rise(to)
	m.cap()
}

func (m *model) rise(to time.Duration) {
	m.level.Add(m.level, m.produced(to-m.at))
	m.at = to
}

func (m *model) cap() {
	if m.level.Cmp(rat(m.burst)) > 0 {
		m.level.SetInt64(m.burst)
	}
}

// enough tells whether n tokens are there: yes, no, or (decided false) too close to call.
func (m *model) enough(n int64) (yes, decided bool) {
	diff := new(big.Rat).Sub(m.level, rat(n))
	return diff.Sign() >= 0, m.exact || new(big.Rat).Abs(diff).Cmp(m.slack()) > 0
}

// ahead is what everybody in the queue needs.
func (m *model) ahead() *big.Rat {
	sum := new(big.Rat)
	for _, k := range m.queue {
		sum.Add(sum, rat(k.need))
	}
	return sum
}

// wait is how long a newcomer for n tokens would wait.
func (m *model) wait(n int64) time.Duration { return m.until(m.ahead().Add(m.ahead(), rat(n))) }

func (m *model) near(got, want time.Duration) bool {
	return got >= want-m.tolerance() && got <= want+m.tolerance()
}

// machine drives a Bucket and the model with the same operations.
type machine struct {
	model
	b      *Bucket
	start  time.Time
	waits  []*ticket      // every WaitN that was ever queued and not yet judged
	held   []*Reservation // reservations that have not been cancelled
	jumped bool
}

func drawRate(t *rapid.T) Rate {
	scale := rapid.SampledFrom([]int64{1, 2, 60, 1000}).Draw(t, "scale")
	per := rapid.SampledFrom([]int64{1, 7, 999, 1e3, 1e6, 1e9, 3_600e9}).Draw(t, "per")
	tokens := rapid.Int64Range(1, min(10, 10*per)).Draw(t, "tokens")
	if rapid.Bool().Draw(t, "inexact") && per >= 7 {
		tokens = rapid.Int64Range(11, min(10*per, 1e6)).Draw(t, "tokens")
	}
	return Rate{Tokens: tokens * scale, Per: time.Duration(per * scale)}
}

func newMachine(t *rapid.T) *machine {
	rate, burst := drawRate(t), rapid.Int64Range(1, 12).Draw(t, "burst")
	b, err := New(Config{Rate: rate, Burst: burst})
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{b: b, start: time.Now(), model: model{level: rat(burst)}}
	m.setRate(rate, burst)
	return m
}

// sync lets woken goroutines finish and brings the model to the present.
func (m *machine) sync(t *rapid.T) {
	synctest.Wait()
	m.b.Stats() // charges the reservations that are due
	m.b.mu.Lock()
	damage := m.b.line.validate(m.b.blocked)
	m.b.mu.Unlock()
	if damage != nil {
		t.Fatal(damage)
	}
	synctest.Wait()
	m.advance(t, time.Since(m.start))
	m.waits = slices.DeleteFunc(m.waits, func(k *ticket) bool {
		w := k.blocked
		if w.done.Load() && w.err == nil && !m.near(w.end, k.end) {
			t.Fatalf("WaitN(%d) ended at %v, want %v", k.n, w.end, k.end)
		}
		return w.done.Load()
	})
}

func (m *machine) sleep(t *rapid.T) {
	token := m.until(new(big.Rat).Add(m.level, rat(1)))
	d := time.Duration(rapid.Int64Range(0, 3*int64(token)).Draw(t, "d"))
	if wait, ok := m.b.RetryAfter(1); ok && rapid.Bool().Draw(t, "edge") {
		d = max(wait-time.Duration(rapid.IntRange(0, 1).Draw(t, "early")), 0)
	}
	if !m.jumped && rapid.IntRange(0, 20).Draw(t, "jump") == 0 {
		m.jumped, d = true, 365*24*time.Hour
	}
	time.Sleep(d)
}

func (m *machine) allow(t *rapid.T) {
	n := rapid.Int64Range(-1, m.burst+1).Draw(t, "n")
	got := m.b.AllowN(n)
	want, decided := m.enough(n)
	if n > 0 && n <= m.burst && len(m.queue) == 0 && !decided {
		want = got
	}
	want = n == 0 || n > 0 && n <= m.burst && len(m.queue) == 0 && want
	if got != want {
		t.Fatalf("AllowN(%d) = %v with %v tokens, %d queued", n, got, m.level, len(m.queue))
	}
	if got {
		m.level.Sub(m.level, rat(n))
	}
}

func (m *machine) allowUpTo(t *rapid.T) {
	n := rapid.Int64Range(-1, m.burst+1).Draw(t, "n")
	got := m.b.AllowUpTo(n)
	if n <= 0 || len(m.queue) > 0 {
		if got != 0 {
			t.Fatalf("AllowUpTo(%d) = %d", n, got)
		}
		return
	}
	if has, decided := m.enough(got); decided && !has {
		t.Fatalf("AllowUpTo(%d) = %d with %v tokens", n, got, m.level)
	}
	if more, decided := m.enough(got + 1); decided && more && got < n {
		t.Fatalf("AllowUpTo(%d) = %d with %v tokens", n, got, m.level)
	}
	m.level.Sub(m.level, rat(got))
}

func (m *machine) giveBack(t *rapid.T) {
	n := rapid.SampledFrom([]int64{-1, 0, 1, 2, 5, math.MaxInt64}).Draw(t, "n")
	m.b.Return(n)
	m.level.Add(m.level, rat(max(n, 0)))
	m.cap()
}

func (m *machine) wait(t *rapid.T) {
	n := rapid.Int64Range(-1, m.burst+1).Draw(t, "n")
	ctx, cancel := context.WithCancel(t.Context())
	left := forever
	if rapid.Bool().Draw(t, "deadline") {
		left = time.Duration(rapid.Int64Range(1, 2*int64(m.model.wait(max(n, 1)))+2).Draw(t, "left"))
		ctx, cancel = context.WithTimeout(t.Context(), left)
	}
	w := &waitCall{cancel: cancel}
	go func() {
		w.err = m.b.WaitN(ctx, n)
		w.end = time.Since(m.start)
		w.done.Store(true)
	}()
	synctest.Wait()
	m.judge(t, n, left, w)
}

// judge compares the immediate result of a WaitN with the model: refused, served or queued.
func (m *machine) judge(t *rapid.T, n int64, left time.Duration, w *waitCall) {
	yes, decided := m.enough(n)
	planned := m.model.wait(n)
	switch {
	case n < 0 && errors.Is(w.err, ErrNegative), n > m.burst && errors.Is(w.err, ErrExceedsBurst), n == 0 && w.done.Load() && w.err == nil:
	case n <= 0 || n > m.burst:
		t.Fatalf("WaitN(%d) = %v, %v", n, w.done.Load(), w.err)
	case len(m.queue) == 0 && (decided && yes || !decided && w.done.Load() && w.err == nil):
		if !w.done.Load() || w.err != nil {
			t.Fatalf("WaitN(%d) = %v, %v with %v tokens", n, w.done.Load(), w.err, m.level)
		}
		m.level.Sub(m.level, rat(n))
	case errors.Is(w.err, ErrWouldExceedDeadline):
		if planned < left-m.tolerance() {
			t.Fatalf("WaitN(%d) refused: %v, planned %v", n, w.err, planned)
		}
	case w.done.Load() || planned-m.tolerance() >= left:
		t.Fatalf("WaitN(%d) = %v, %v; planned %v, left %v", n, w.done.Load(), w.err, planned, left)
	default:
		k := &ticket{n: n, need: n, blocked: w}
		m.queue, m.waits = append(m.queue, k), append(m.waits, k)
	}
}

func (m *machine) cancelWait(t *rapid.T) {
	if len(m.waits) == 0 {
		t.Skip("nobody waits")
	}
	k := rapid.SampledFrom(m.waits).Draw(t, "wait")
	k.blocked.cancel()
	synctest.Wait()
	if !k.blocked.done.Load() || !errors.Is(k.blocked.err, context.Canceled) {
		t.Fatalf("cancelled: %v, %v", k.blocked.done.Load(), k.blocked.err)
	}
	m.drop(k)
}

func (m *machine) drop(k *ticket) {
	m.queue = slices.DeleteFunc(m.queue, func(q *ticket) bool { return q == k })
}

// expire drops from the model the waits whose context ended while they were queued: possible only after SetLimit or a
// Return in the queue, since a hopeless deadline is refused.
func (m *machine) expire(t *rapid.T) {
	synctest.Wait()
	byEnd := slices.SortedStableFunc(slices.Values(m.waits), func(a, b *ticket) int { return cmp.Compare(a.blocked.end, b.blocked.end) })
	for _, k := range byEnd {
		if k.blocked.done.Load() && errors.Is(k.blocked.err, context.DeadlineExceeded) {
			m.advanceTo(t, k)
			m.drop(k)
		}
	}
}

// advanceTo brings the model to the instant at which the deadline of k ended its wait.
func (m *machine) advanceTo(t *rapid.T, k *ticket) {
	if k.blocked.end > m.at {
		m.advance(t, k.blocked.end)
	}
}

func (m *machine) reserve(t *rapid.T) {
	n := rapid.Int64Range(0, m.burst).Draw(t, "n")
	planned := m.model.wait(n)
	maxWait := time.Duration(rapid.Int64Range(-1, 2*int64(planned)+2).Draw(t, "maxWait"))
	yes, decided := m.enough(n)
	r, err := m.b.Reserve(n, maxWait)
	if err != nil {
		if !errors.Is(err, ErrWouldExceedDeadline) || planned <= maxWait-m.tolerance() || n == 0 {
			t.Fatalf("Reserve(%d, %v): %v, planned %v", n, maxWait, err, planned)
		}
		return
	}
	m.held = append(m.held, r)
	if n == 0 || len(m.queue) == 0 && (decided && yes || !decided && r.place.status == charged) {
		if r.Delay() != 0 {
			t.Fatalf("Reserve(%d) delayed by %v", n, r.Delay())
		}
		m.level.Sub(m.level, rat(n))
		return
	}
	if !m.near(r.Delay(), planned) || planned > max(maxWait, 0)+m.tolerance() {
		t.Fatalf("Reserve(%d, %v) delayed by %v, planned %v", n, maxWait, r.Delay(), planned)
	}
	m.queue = append(m.queue, &ticket{n: n, need: n, res: r})
}

func (m *machine) cancelReservation(t *rapid.T) {
	if len(m.held) == 0 {
		t.Skip("no reservation")
	}
	r := rapid.SampledFrom(m.held).Draw(t, "reservation")
	back := r.place.need
	if i := slices.IndexFunc(m.queue, func(k *ticket) bool { return k.res == r }); i >= 0 {
		m.queue, back = slices.Delete(m.queue, i, i+1), 0
	}
	m.held = slices.DeleteFunc(m.held, func(o *Reservation) bool { return o == r })
	r.Cancel()
	r.Cancel()
	m.level.Add(m.level, rat(back))
	m.cap()
}

func (m *machine) retryAfter(t *rapid.T) {
	n := rapid.Int64Range(-1, m.burst+1).Draw(t, "n")
	wait, ok := m.b.RetryAfter(n)
	switch {
	case n < 0 || n > m.burst:
		if ok || wait != 0 {
			t.Fatalf("RetryAfter(%d) = %v, %v", n, wait, ok)
		}
	case n == 0 && wait != 0 || n > 0 && !m.near(wait, m.model.wait(n)) || !ok:
		t.Fatalf("RetryAfter(%d) = %v, %v, want %v", n, wait, ok, m.model.wait(n))
	}
}

func (m *machine) stats(t *rapid.T) {
	s := m.b.Stats()
	if s.Waiting != len(m.queue) || s.Burst != m.burst {
		t.Fatalf("%+v, model has %d waiting, burst %d", s, len(m.queue), m.burst)
	}
	if has, decided := m.enough(s.Tokens); decided && !has && s.Tokens != 0 {
		t.Fatalf("%d tokens, want %v", s.Tokens, m.level)
	}
	if more, decided := m.enough(s.Tokens + 1); decided && more {
		t.Fatalf("%d tokens, want %v", s.Tokens, m.level)
	}
}

func (m *machine) setLimit(t *rapid.T) {
	rate, burst := drawRate(t), rapid.Int64Range(1, 12).Draw(t, "burst")
	slack := m.slack()
	if err := m.b.SetLimit(rate, burst); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	m.setRate(rate, burst)
	m.cap()
	m.round(t, slack)
	for _, k := range slices.Clone(m.queue) {
		k.need = min(k.n, burst)
		if k.blocked != nil && k.n > burst {
			if !errors.Is(k.blocked.err, ErrExceedsBurst) {
				t.Fatalf("WaitN(%d) with burst %d: %v", k.n, burst, k.blocked.err)
			}
			m.drop(k)
		}
	}
}

// round puts the level of the model on a whole unit of the new limit, as the Bucket does.
func (m *machine) round(t *rapid.T, slack *big.Rat) {
	unit := new(big.Rat).SetFrac64(1, m.b.limit.Load().axis.Token)
	if m.exact && slack.Sign() == 0 {
		units := new(big.Rat).Quo(m.level, unit)
		whole := new(big.Int).Div(units.Num(), units.Denom())
		m.level.Mul(unit, new(big.Rat).SetInt(whole))
		return
	}
	m.b.lock()
	l := m.b.limit.Load()
	used, now := m.b.used, l.axis.At(m.b.now)
	for _, k := range m.queue { // those whom the new limit has served at once
		if k.served(m.at, m.at) {
			used -= min(k.n, m.burst) * l.axis.Token
		}
	}
	m.b.unlock()
	got := new(big.Rat).Mul(unit, rat(now-max(used, now-l.axis.Full)))
	diff := new(big.Rat).Sub(m.level, got)
	allowed := new(big.Rat).Add(new(big.Rat).Add(slack, m.slack()), unit)
	if diff.Abs(diff).Cmp(allowed) > 0 {
		t.Fatalf("level %v after SetLimit, want %v", got, m.level)
	}
	m.level = got
}

func (m *machine) finish(t *rapid.T) {
	for _, k := range m.waits {
		k.blocked.cancel()
	}
	synctest.Wait()
	if m.b.timer != nil || m.b.blocked != 0 {
		t.Fatal("a timer is left")
	}
}

// TestModel runs random operations on a Bucket and on the model at the same virtual time.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newMachine(t)
			step := func(op func(*rapid.T)) func(*rapid.T) {
				return func(t *rapid.T) {
					op(t)
					m.expire(t)
					m.sync(t)
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"sleep":              step(m.sleep),
				"AllowN":             step(m.allow),
				"AllowUpTo":          step(m.allowUpTo),
				"Return":             step(m.giveBack),
				"WaitN":              step(m.wait),
				"cancel WaitN":       step(m.cancelWait),
				"Reserve":            step(m.reserve),
				"cancel Reservation": step(m.cancelReservation),
				"RetryAfter":         step(m.retryAfter),
				"Stats":              step(m.stats),
				"SetLimit":           step(m.setLimit),
			})
			m.finish(t)
		})
	})
}
