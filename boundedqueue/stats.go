package boundedqueue

// Stats is a copy of the state of a Queue or a Priority, taken under its lock:
// all fields agree with each other. Always Puts == Gets + Dropped + Len.
type Stats struct {
	Len, Cap               int
	HighWater              int    // largest Len so far
	Puts                   uint64 // values accepted
	Gets                   uint64 // values delivered, by any of Get, TryGet, GetBatch, All, CloseAndDrain
	Dropped                uint64 // values removed by DropOldest
	Rejected               uint64 // values refused with ErrFull
	PutWaits, GetWaits     uint64 // calls that had to park
	PutWaiters, GetWaiters int    // calls parked now
	Closed                 bool
}

// stats copies the state. Counting costs next to nothing: the counters are
// plain integers under a lock that is held anyway.
func (c *core[E]) stats() Stats {
	c.lock()
	defer c.mu.Unlock()
	return Stats{
		Len: c.n, Cap: c.max, HighWater: c.high,
		Puts: c.gets + c.dropped + uint64(c.n), Gets: c.gets, Dropped: c.dropped, Rejected: c.rejected,
		PutWaits: c.putWaits, GetWaits: c.getWaits,
		PutWaiters: c.putting.len, GetWaiters: c.getting.len,
		Closed: c.closed,
	}
}

// Stats returns the state at one instant. O(1), no allocation.
func (q *Queue[T]) Stats() Stats {
	if q == nil {
		panic(nilQueue)
	}
	return q.stats()
}

// Stats returns the state at one instant. Dropped is 0. O(1), no allocation.
func (q *Priority[T]) Stats() Stats {
	if q == nil {
		panic(nilPriority)
	}
	return q.stats()
}
