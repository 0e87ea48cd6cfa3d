package circuitbreaker

import "time"

// window is what a Closed episode counts: in ring or, with a count window, the
// last results and in ring.gone the total. Except for fast successes it belongs
// to the holder of Breaker.mu.
type window struct {
	ring ring
	last *lastN // nil: the rules look at ring

	// streak failures in a row ended when seen successes had been counted. A
	// success need not reset anything: the next failure finds more of them.
	streak, seen uint64
}

// newWindow returns an empty window. With neither length nor size it is a
// counter.
func newWindow(length time.Duration, size int, now time.Duration) *window {
	w := &window{}
	w.ring.init(length, now)
	if size > 0 {
		w.last = newLastN(size)
	}
	return w
}

// count counts a result other than Ignored.
func (w *window) count(outcome Outcome, slow bool) {
	if w.last == nil {
		w.ring.count(outcome, slow)
		return
	}
	w.ring.gone.count(outcome, slow) // nobody counts without the lock here
	w.last.count(outcome != Success, slow)
}

// successes returns how many have been counted since the episode began; all is
// what the ring holds.
func (w *window) successes(all Counts) uint64 { return w.ring.gone.Successes + all.Successes }

// lengthen adds a failure that has just been counted to the streak.
func (w *window) lengthen(all Counts) {
	w.streak = w.streakAt(all) + 1
	w.seen = w.successes(all)
}

// restart is called for a failure that has been added to the streak: if
// successes came since, they count as earlier, and the streak begins with this
// failure.
func (w *window) restart(all Counts) {
	if w.streakAt(all) == 0 {
		w.streak, w.seen = 1, w.successes(all)
	}
}

// streakAt returns how many failures in a row there were up to the moment that
// all shows.
func (w *window) streakAt(all Counts) uint64 {
	if w.successes(all) != w.seen {
		return 0
	}
	return w.streak
}

// judged returns what the rate rules see.
func (w *window) judged(all Counts) Counts {
	if w.last != nil {
		return w.last.sum()
	}
	return all
}

// total returns all that was counted since the episode began.
func (w *window) total(all Counts) Counts {
	all.add(w.ring.gone)
	return all
}

// stop seals the window for good and returns its total.
func (w *window) stop() Counts {
	if w.ring.kept == nil {
		w.ring.seal()
	}
	return w.total(w.ring.sum())
}
