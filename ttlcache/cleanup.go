package ttlcache

import (
	"math"
	"runtime"
	"time"
	"weak"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

const (
	// sweepSteps is the number of entries that a cleanup looks at under one
	// hold of the lock: at 0.1 to 0.2 us each, the time that a reader may have
	// to wait for.
	sweepSteps = 256

	// searchSteps is the number of entries that an insertion looks at to find
	// one whose time is over, before it evicts a live one. Each look brings an
	// entry to a lower level of the wheel, so it is not done in vain.
	searchSteps = 1024

	// defaultInterval is CleanupInterval if that is 0.
	defaultInterval = time.Second
)

// alarm is the timer of a cache. It is made when an entry first gets a deadline,
// so that a cache can be made in one testing/synctest bubble and used in
// another until then.
type alarm struct {
	timer    *time.Timer
	at       int64 // when it rings; never: it is stopped
	notAgain int64 // it does not ring before
	interval time.Duration
	ring     func()
}

// newAlarm returns a stopped alarm. It refers to the cache weakly: the runtime
// holds the timer, and must not hold the cache.
func newAlarm[K comparable, V any](c *Cache[K, V], interval time.Duration) alarm {
	if interval == 0 {
		interval = defaultInterval
	}
	ref := weak.Make(c)
	ring := func() {
		if c := ref.Value(); c != nil {
			c.cleanUp()
		}
	}
	return alarm{at: never, notAgain: math.MinInt64, interval: interval, ring: ring}
}

// cover sees to it that the alarm rings at most an interval after an entry is
// due. An earlier alarm is good enough, hence the timer is hardly ever touched.
func (a *alarm) cover(due, now int64) {
	if a.at == never || a.at > after(due, a.interval) {
		a.set(due, now)
	}
}

// set moves the alarm to the instant at, or as soon after it as it may ring.
func (a *alarm) set(at, now int64) {
	a.at = max(at, a.notAgain)
	wait := time.Duration(a.at - now)
	if now < 0 && a.at > math.MaxInt64+now { // further away than a Duration
		wait = math.MaxInt64
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, a.ring)
		return
	}
	a.timer.Reset(wait)
}

func (a *alarm) stop() {
	if a.at != never {
		a.timer.Stop()
		a.at = never
	}
}

// rang notes that the alarm has rung.
func (a *alarm) rang(now int64) { a.at, a.notAgain = never, after(now, a.interval) }

// turn decides on an entry that the wheel has returned. It tells whether its
// time is over; if not, the entry is in the wheel again, or never leaves.
func (s *store[K, V]) turn(i uint32) (over bool) {
	it := &s.table.At(i).Value
	if it.state == fresh && it.deadline <= s.now && s.keep() > 0 {
		it.state = stale
		s.live--
	}
	due := s.due(it)
	if due <= s.now {
		return true
	}
	if due != never {
		s.wheel.add(i, due, s.now)
	} else if s.wheel.len == 0 {
		s.silence()
	}
	return false
}

// sweep removes entries whose time is over, and brings the states of the others
// up to date. It returns false if it has used up its steps.
func (s *store[K, V]) sweep(gone *gone[K, V]) (done bool) {
	for range sweepSteps {
		i := s.wheel.pop(s.now)
		if i == 0 {
			s.shrink()
			return true
		}
		if s.turn(i) {
			s.retire(i, Expired, gone)
			s.table.Remove(i)
		}
	}
	return false
}

// reclaim returns an entry whose time is over, which is no longer in the wheel,
// or 0 if it finds none in what is left of the search.
func (s *store[K, V]) reclaim() uint32 {
	for ; s.searches > 0; s.searches-- {
		i := s.wheel.pop(s.now)
		if i == 0 || s.turn(i) {
			return i
		}
	}
	return 0
}

// lockSwept takes the lock at a moment when no entry is left whose deadline has
// passed. What expires on the way is in list, for the caller to report after it
// has released the lock, except for what was reported between two holds. Like
// listener it returns list, or nil if nobody listens.
func (c *Cache[K, V]) lockSwept(list *gone[K, V]) *gone[K, V] {
	now := c.clock()
	report := c.listener(list)
	for {
		c.mu.Lock()
		c.store.enter(now)
		if c.store.sweep(report) {
			return report
		}
		c.mu.Unlock()
		chaos.Point("ttlcache: swept, not yet reported")
		list.Report(c.onEvict)
		*list = gone[K, V]{}
	}
}

// cleanUp is what the timer does. It lets others in between two holds of the
// lock, and sets the timer again even if a hook ends this goroutine.
func (c *Cache[K, V]) cleanUp() {
	defer c.setAlarm()
	now := c.readClock()
	c.mu.Lock()
	c.store.enter(now)
	c.store.alarm.rang(c.store.now)
	c.mu.Unlock()
	for done := false; !done; {
		var list gone[K, V]
		report := c.listener(&list)
		c.mu.Lock()
		done = c.store.sweep(report)
		c.mu.Unlock()
		chaos.Point("ttlcache: swept, not yet reported")
		list.Report(c.onEvict)
		runtime.Gosched()
	}
}

// setAlarm sets the timer for what is in the wheel.
func (c *Cache[K, V]) setAlarm() {
	now := c.readClock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.store
	s.enter(now)
	if s.wheel.len == 0 {
		s.silence()
		return
	}
	if at := s.wheel.wake(int64(s.alarm.interval)); at < s.alarm.at {
		s.alarm.set(at, s.now)
	}
}
