package rwlock

import "time"

// Stats is a snapshot for monitoring. The fields about waiting and the counters
// agree with each other; Readers and Writing are read at one instant, which may
// be newer, and Readers may count one that has just come and is about to queue.
type Stats struct {
	Readers int  // read locks held
	Writing bool // the write lock is held

	WaitingReaders int // calls of RLock and RLockContext that wait
	WaitingWriters int // calls of Lock and LockContext that wait

	// OldestWriterWait is how long the first waiting writer has waited so far;
	// 0 if none.
	OldestWriterWait time.Duration

	// ReadWaits and WriteWaits count the calls that had to wait, also those
	// that gave up.
	ReadWaits  uint64
	WriteWaits uint64

	Overdue uint64 // writers that reached MaxWriterWait
}

// Stats returns a snapshot. O(1), no allocation.
func (l *RWLock) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	readers, flags := split(l.state.Load())
	s := Stats{
		Writing:        flags&held != 0,
		WaitingReaders: int(l.readers.len),
		WaitingWriters: int(l.writers.len),
		ReadWaits:      l.readWaits,
		WriteWaits:     l.writeWaits,
		Overdue:        l.overdue,
	}
	if !s.Writing { // else those counted are waiting
		s.Readers = int(max(readers, 0))
	}
	if first := l.writers.head; first != nil {
		s.OldestWriterWait = time.Since(first.since)
	}
	return s
}
