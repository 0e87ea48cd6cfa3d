// Package departures tells a hook of the values that have left a cache.
//
// A cache may not call its user's hook under its lock, and may not lose a
// departure because the hook fails. So the call that makes entries leave notes
// them in a [List] while it holds the lock, releases the lock, and then reports
// the list. A list stands on the stack of that call and takes a few departures
// without allocating.
package departures

// Few is the number of departures that a List keeps without allocating. A call
// to a cache without weights makes one or two.
const Few = 4

// List collects departures under a lock and reports them after it. R is the
// cache's type of reasons. A nil *List takes nothing: that is how a cache
// without a hook pays for none of this.
type List[K, V, R any] struct {
	n     int
	first [Few]departure[K, V, R]
	rest  []departure[K, V, R]
}

// departure is what a hook is told: one value, and why it is no longer held.
type departure[K, V, R any] struct {
	key    K
	value  V
	reason R
}

// Len returns the number of departures.
func (l *List[K, V, R]) Len() int { return l.n }

// Reason returns the reason of departure i.
func (l *List[K, V, R]) Reason(i int) R { return l.at(i).reason }

// Add notes one departure.
func (l *List[K, V, R]) Add(key K, value V, reason R) {
	if l == nil {
		return
	}
	if l.n < Few {
		l.first[l.n] = departure[K, V, R]{key, value, reason}
	} else {
		l.rest = append(l.rest, departure[K, V, R]{key, value, reason})
	}
	l.n++
}

// at returns the i'th departure, in the order of Add.
func (l *List[K, V, R]) at(i int) *departure[K, V, R] {
	if i < Few {
		return &l.first[i]
	}
	return &l.rest[i-Few]
}

// Report tells the hook of every departure, in order, whatever the hook does.
// What the last hook that failed has done goes on in the caller: a panic with
// its value, or a Goexit.
func (l *List[K, V, R]) Report(hook func(K, V, R)) {
	l.reportFrom(0, hook)
}

func (l *List[K, V, R]) reportFrom(next int, hook func(K, V, R)) {
	var failure any
	for next < l.n {
		next, failure = l.reportUntilPanic(next, failure, hook)
	}
	if failure != nil {
		panic(failure)
	}
}

// reportUntilPanic goes on from departure next until the hook panics or all are
// told. It returns where to go on, and the last panic. A panic is recovered, so
// that the depth of the stack does not grow with their number, unless it is
// that of the last departure, which keeps its trace. A Goexit cannot be
// recovered; the rest is told while it unwinds the stack.
func (l *List[K, V, R]) reportUntilPanic(next int, before any, hook func(K, V, R)) (after int, failure any) {
	after, failure = next, before
	defer func() {
		if after == l.n { // told all; if the last one failed, that goes on by itself
			return
		}
		if value := recover(); value != nil {
			failure = value
			return
		}
		l.reportFrom(after, hook)
	}()
	for after < l.n {
		gone := l.at(after)
		after++
		hook(gone.key, gone.value, gone.reason)
	}
	return after, failure
}
