package circuitbreaker

// events are the changes that have not been reported yet, in the order in which
// they happened. They belong to the holder of Breaker.mu.
type events struct {
	queue []Change
	busy  bool // somebody is delivering
}

func (e *events) push(c Change) { e.queue = append(e.queue, c) }

// claim makes the caller the one that delivers, if there is something to
// deliver and nobody who does. Whoever pushes claims before mu is free: else
// the next to come would deliver a change that is not its own, and a callback
// that panics would take an admitted call with it.
func (e *events) claim() bool {
	if len(e.queue) == 0 || e.busy {
		return false
	}
	e.busy = true
	return true
}

// pop takes the first change.
func (e *events) pop() Change {
	c := e.queue[0]
	e.queue[0] = Change{}
	e.queue = e.queue[1:]
	if len(e.queue) == 0 {
		e.queue = nil
	}
	return c
}

// deliver reports what is owed, for the one that has claimed it. One goroutine
// delivers at a time, and whoever brings a change while another one does leaves
// it to that one and goes on: so a callback may change the state, and hears of
// it after it has returned.
func (b *Breaker) deliver() {
	for {
		c, ok := b.nextEvent()
		if !ok {
			return
		}
		b.report(c)
	}
}

// nextEvent takes the first change; when there is none, the delivery is over.
func (b *Breaker) nextEvent() (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events.queue) == 0 {
		b.events.busy = false
		return Change{}, false
	}
	return b.events.pop(), true
}

// report calls the callback. If that panics or exits, what is still owed is
// delivered on the way out.
func (b *Breaker) report(c Change) {
	returned := false
	defer func() {
		if !returned {
			b.deliver()
		}
	}()
	b.set.onChange(c)
	returned = true
}
