package circuitbreaker

// events are the changes that have not been reported yet, in the order in which
// they happened. They belong to the holder of Breaker.mu.
type events struct {
	queue []Change
	busy  bool // somebody is delivering
}

func (e *events) push(c Change) { e.queue = append(e.queue, c) }

// owed reports whether there is something to deliver and nobody who does.
func (e *events) owed() bool { return len(e.queue) > 0 && !e.busy }

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

// deliver reports what is owed. One goroutine delivers at a time, and whoever
// brings a change while another one does leaves it to that one and goes on: so
// a callback may change the state, and hears of it after it has returned.
func (b *Breaker) deliver() {
	for {
		c, ok := b.nextEvent()
		if !ok {
			return
		}
		b.report(c)
	}
}

// nextEvent makes the caller the one that delivers, if there is need.
func (b *Breaker) nextEvent() (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.events.owed() {
		return Change{}, false
	}
	b.events.busy = true
	return b.events.pop(), true
}

// report calls the callback. If that panics or exits, what is still owed is
// delivered on the way out.
func (b *Breaker) report(c Change) {
	returned := false
	defer func() {
		b.mu.Lock()
		b.events.busy = false
		b.mu.Unlock()
		if !returned {
			b.deliver()
		}
	}()
	b.set.onChange(c)
	returned = true
}
