package circuitbreaker

// lastN is the count window: two bits, failed and slow, for each of the last n
// results. The holder of the breaker's mutex uses it.
type lastN struct {
	failed, slow []uint64
	size         int
	next         int // where the next result goes; the oldest is there
	len          int
	failures     int
	slows        int
}

func newLastN(size int) *lastN {
	words := (size + 63) / 64
	both := make([]uint64, 2*words)
	return &lastN{failed: both[:words:words], slow: both[words:], size: size}
}

// count replaces the oldest result.
func (l *lastN) count(failed, slow bool) {
	l.failures += replaceBit(l.failed, l.next, failed)
	l.slows += replaceBit(l.slow, l.next, slow)
	l.len = min(l.len+1, l.size)
	l.next++
	if l.next == l.size {
		l.next = 0
	}
}

// replaceBit sets bit i to v and returns by how much the number of ones has
// changed.
func replaceBit(words []uint64, i int, v bool) int {
	bit := uint64(1) << (i % 64)
	old := words[i/64]
	switch was := old&bit != 0; {
	case was == v:
		return 0
	case v:
		words[i/64] = old | bit
		return 1
	default:
		words[i/64] = old &^ bit
		return -1
	}
}

func (l *lastN) sum() Counts {
	return Counts{Successes: uint64(l.len - l.failures), Failures: uint64(l.failures), Slow: uint64(l.slows)}
}
