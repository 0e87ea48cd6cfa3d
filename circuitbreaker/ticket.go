package circuitbreaker

import "time"

// Ticket is one admitted call. It is a value; do not copy it after the first
// use. The zero Ticket is inert: Done and Cancel do nothing. A Ticket is for
// one goroutine at a time.
type Ticket struct {
	ep    *episode      // under which the call was admitted; nil: inert
	start time.Duration // of the call, where somebody asks
	probe probeID
}

// Done records the result of the call, by Classify. The second and later calls
// of Done and Cancel do nothing. Done does not know a context: who knows that
// it was the caller who left calls Cancel.
func (t *Ticket) Done(err error) {
	c := t.take()
	switch {
	case c.ep == nil:
	case c.ep.throttle != nil:
		c.ep.throttle.classified(err)
	case err == nil && c.ep.b.set.classify == nil:
		c.ep.b.succeed(&c)
	default:
		c.ep.b.classified(&c, err)
	}
}

// Cancel records Ignored: the call says nothing about the dependency. To a
// Throttle it counts as accepted.
func (t *Ticket) Cancel() {
	c := t.take()
	switch {
	case c.ep == nil:
	case c.ep.throttle != nil:
		c.ep.throttle.accept()
	default:
		c.ep.b.finish(&c, Ignored, nil)
	}
}

// take leaves an inert Ticket behind.
func (t *Ticket) take() Ticket {
	if t == nil {
		panic("circuitbreaker: nil Ticket")
	}
	c := *t
	*t = Ticket{}
	return c
}

// classified ends a call by what Classify says. A panic or Goexit of Classify
// is a failure.
func (b *Breaker) classified(t *Ticket, err error) {
	classified := false
	defer func() {
		if !classified {
			b.finish(t, Failure, err)
		}
	}()
	outcome := classify(b.set.classify, err)
	classified = true
	b.finish(t, outcome, err)
}

// classify asks f, or takes an error for a failure. An outcome that does not
// exist is a failure.
func classify(f func(error) Outcome, err error) Outcome {
	if f == nil {
		if err == nil {
			return Success
		}
		return Failure
	}
	if outcome := f(err); outcome <= Ignored {
		return outcome
	}
	return Failure
}
