package metrics

import (
	"math/big"
	"slices"
	"strconv"
	"sync"
	"time"
)

// BurnAlert fires while the error budget burns faster than Factor over both of
// its windows: the long one so that a short burst does not wake anybody, the
// short one so that the alert ends soon after the burst (The Site Reliability
// Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").
type BurnAlert struct {
	Name   string        // "page", "ticket", …; required
	Long   time.Duration // required, a multiple of 50 ns, at most Period
	Short  time.Duration // 0 means Long/12; a multiple of 50 ns, less than Long
	Factor float64       // burn rate, above 0; at 1 the budget lasts for just the Period
}

// SLOConfig configures an SLO.
type SLOConfig struct {
	// Objective is the share of good events, in (0, 1): 0.999. Required. It is
	// taken for the decimal number that is written, so that the budget of
	// 0.999 is 0.001.
	Objective float64

	// Period is the time over which the budget counts; 0 means 30 days. It is a
	// multiple of 50 ns.
	Period time.Duration

	// MinEvents is how many events the Long window of an alert must hold before
	// it fires; 0 means 1.
	MinEvents uint64

	// Alerts are nil for those of the workbook: page over 1h and 5m, and over
	// 6h and 30m; ticket over 24h and 2h, and over 72h and 6h; with the factors
	// that spend 2, 5, 10 and 10 % of the budget of Period in Long. For 30 days
	// these are 14.4, 6, 3 and 1.
	Alerts []BurnAlert
}

// Budget is the error budget over the last Period; its fields agree with each
// other.
type Budget struct {
	Total, Bad uint64
	Allowed    float64 // bad events the objective allows: (1-Objective)*Total
	Remaining  float64 // share left, 1-Bad/Allowed: 1 when there were no events, negative when overspent
	Coverage   float64 // share of Period since NewSLO, up to 1
}

// AlertState is a BurnAlert and what it sees; its fields agree with each other.
type AlertState struct {
	BurnAlert
	BurnLong, BurnShort float64 // bad share / (1-Objective); 0 without events
	Events              uint64  // in the Long window
	Firing              bool
}

// sloBuckets is the number of steps in which each window of an SLO moves.
const sloBuckets = 50

// SLO follows an error budget. Create it with NewSLO. All methods are safe for
// concurrent use and linearizable, and panic on a nil or zero SLO. It has no
// goroutine and needs no Close.
type SLO struct {
	base      time.Time
	allowance float64       // 1-Objective
	period    time.Duration // of the budget
	minEvents uint64
	alerts    []watch

	mu      sync.Mutex    // mu guards the fields below
	windows []ring[tries] // one for each different width; the first is that of the budget
	pending tries         // not yet in the windows; they belong to the newest bucket of each
	until   time.Duration // since base: the end of the first of these buckets
}

// tries are events and those of them that were bad.
type tries struct{ total, bad uint64 }

func (t *tries) add(u tries) {
	t.total += u.total
	t.bad += u.bad
}

// watch is an alert and its windows, as indices of SLO.windows.
type watch struct {
	BurnAlert
	long, short int
}

// NewSLO returns an SLO without events. An error matches ErrConfig and names
// the field at fault, among others an alert that could never fire, whose
// Factor*(1-Objective) is 1 or more. The default alerts are checked as well:
// 14.4 needs an objective above 0.9305, and 72 hours a Period as long.
func NewSLO(config SLOConfig) (*SLO, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	s := &SLO{
		base:      time.Now(),
		allowance: complement(config.Objective),
		period:    config.Period,
		minEvents: config.MinEvents,
	}
	s.window(config.Period)
	for _, a := range config.Alerts {
		s.alerts = append(s.alerts, watch{a, s.window(a.Long), s.window(a.Short)})
	}
	s.advance(0)
	return s, nil
}

// complete fills in the defaults and checks.
func (c SLOConfig) complete() (SLOConfig, error) {
	if c.Period == 0 {
		c.Period = 30 * 24 * time.Hour
	}
	if c.MinEvents == 0 {
		c.MinEvents = 1
	}
	if !(c.Objective > 0 && c.Objective < 1) {
		return c, invalid("Objective must be above 0 and below 1, got %v", c.Objective)
	}
	if c.Period < 0 || c.Period%sloBuckets != 0 {
		return c, invalid("Period must be a positive multiple of 50ns, or 0 for 30 days, got %v", c.Period)
	}
	c.Alerts = slices.Clone(c.Alerts)
	if c.Alerts == nil {
		c.Alerts = workbookAlerts(c.Period)
	}
	for i := range c.Alerts {
		if err := c.Alerts[i].complete(i, c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// workbookAlerts are the default ones. The factors are computed in one
// division, so that they are exact where they can be.
func workbookAlerts(period time.Duration) []BurnAlert {
	alert := func(name string, long, short time.Duration, percent int64) BurnAlert {
		factor := float64(percent) * float64(period) / float64(100*long)
		return BurnAlert{Name: name, Long: long, Short: short, Factor: factor}
	}
	return []BurnAlert{
		alert("page", time.Hour, 5*time.Minute, 2),
		alert("page", 6*time.Hour, 30*time.Minute, 5),
		alert("ticket", 24*time.Hour, 2*time.Hour, 10),
		alert("ticket", 72*time.Hour, 6*time.Hour, 10),
	}
}

// complete fills in the default of alert i and checks it.
func (a *BurnAlert) complete(i int, c SLOConfig) error {
	if a.Short == 0 {
		a.Short = a.Long / 12
	}
	switch {
	case a.Name == "":
		return invalid("Alerts[%d].Name must not be empty", i)
	case a.Long <= 0 || a.Long > c.Period || a.Long%sloBuckets != 0:
		return invalid("Alerts[%d].Long must be a positive multiple of 50ns, at most Period %v, got %v", i, c.Period, a.Long)
	case a.Short <= 0 || a.Short >= a.Long || a.Short%sloBuckets != 0:
		return invalid("Alerts[%d].Short must be a positive multiple of 50ns, less than Long %v, got %v", i, a.Long, a.Short)
	case !(a.Factor > 0 && finite(a.Factor)):
		return invalid("Alerts[%d].Factor must be finite and above 0, got %v", i, a.Factor)
	case a.Factor*complement(c.Objective) >= 1:
		return invalid("Alerts[%d].Factor must be below %v, or it can never fire at Objective %v, got %v",
			i, 1/complement(c.Objective), c.Objective, a.Factor)
	}
	return nil
}

// complement is 1-x for the decimal number that x was written as: in floats
// 1-0.999 is 0.0010000000000000009, and a thousand events would allow more than
// one bad.
func complement(x float64) float64 {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(x, 'g', -1, 64))
	c, _ := r.Sub(big.NewRat(1, 1), r).Float64()
	return c
}

// window returns the number of the window of that length, made if need be.
func (s *SLO) window(length time.Duration) int {
	width := length / sloBuckets
	i := slices.IndexFunc(s.windows, func(w ring[tries]) bool { return w.width == width })
	if i < 0 {
		i = len(s.windows)
		s.windows = append(s.windows, newRing[tries](width, sloBuckets))
	}
	return i
}

// Record counts one event, as of now. O(1), no allocation; the windows move
// only when a bucket of one of them is full.
func (s *SLO) Record(good bool) {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	if now >= s.until {
		s.advance(now)
	}
	s.pending.total++
	if !good {
		s.pending.bad++
	}
}

// advance puts what is pending into the buckets that it belongs to, and then
// moves every window to now.
func (s *SLO) advance(now time.Duration) {
	s.until = 1<<63 - 1
	for i := range s.windows {
		w := &s.windows[i]
		w.at(0).add(s.pending) // the newest as it was
		w.at(now)
		s.until = min(s.until, w.end())
	}
	s.pending = tries{}
}

// sum is what window i holds.
func (s *SLO) sum(i int) tries {
	var all tries
	for _, b := range s.windows[i].buckets {
		all.add(b)
	}
	return all
}

// Budget returns what the last Period has left. O(1), no allocation.
func (s *SLO) Budget() Budget {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	s.advance(now)
	t := s.sum(0)
	b := Budget{
		Total:     t.total,
		Bad:       t.bad,
		Allowed:   s.allowance * float64(t.total),
		Remaining: 1,
		Coverage:  max(0, min(float64(now)/float64(s.period), 1)),
	}
	if t.total > 0 {
		b.Remaining = 1 - float64(t.bad)/b.Allowed
	}
	return b
}

// Alerts returns the state of each alert, in the order of the config. After a
// full outage has ended an alert stops firing at most Short later. O(alerts).
func (s *SLO) Alerts() []AlertState {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	s.advance(now)
	states := make([]AlertState, len(s.alerts))
	for i, w := range s.alerts {
		long, short := s.sum(w.long), s.sum(w.short)
		a := AlertState{BurnAlert: w.BurnAlert, BurnLong: s.burn(long), BurnShort: s.burn(short), Events: long.total}
		a.Firing = a.BurnLong > w.Factor && a.BurnShort > w.Factor && a.Events >= s.minEvents
		states[i] = a
	}
	return states
}

// burn is how many times faster than allowed the budget burns: one ratio of
// sums, since an average of the ratios of the buckets would count a night's
// ten requests as much as a day's million. It is computed as the events that
// were bad by those that were allowed, which rounds less often than the share
// by the allowance does: 2800 bad ones of 10000 burn 5.6 times what 0.95 allows,
// not a little more, which would fire.
func (s *SLO) burn(t tries) float64 {
	if t.total == 0 {
		return 0
	}
	return float64(t.bad) / (s.allowance * float64(t.total))
}

func (s *SLO) mustBeMade() {
	if s == nil || s.base.IsZero() {
		panic("metrics: SLO not made by NewSLO")
	}
}
