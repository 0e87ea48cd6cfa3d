package boundedqueue

// tell reports one victim. The put has taken effect and the lock is free, so
// that OnDrop may do what it likes.
func (q *Queue[T]) tell(victim T) {
	if q.onDrop != nil {
		q.onDrop(victim)
	}
}

// tellAll reports victims in order, whatever OnDrop does with one of them. The
// first panic, or a Goexit, goes on in the caller with its own trace, but only
// after the others have been reported: nothing that holds a file or a buffer
// gets lost because an earlier victim was trouble.
func (q *Queue[T]) tellAll(victims []T) {
	next := 0
	defer func() {
		for next < len(victims) {
			q.tellRest(victims, &next)
		}
	}()
	for next < len(victims) {
		next++
		q.onDrop(victims[next-1])
	}
}

// tellRest goes on after a failure, until the end or the next panic. That one
// ends here, as the first is still under way. A Goexit cannot be ended: what is
// left is reported while it unwinds the stack.
func (q *Queue[T]) tellRest(victims []T, next *int) {
	defer func() {
		if recover() == nil {
			for *next < len(victims) {
				q.tellRest(victims, next)
			}
		}
	}()
	for *next < len(victims) {
		*next++
		q.onDrop(victims[*next-1])
	}
}
