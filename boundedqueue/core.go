package boundedqueue

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

// core is what Queue and Priority share: the lock, slots that grow with use,
// the two lines of waiters, closing and counting. In which slot a value stands
// is the business of the two.
//
// Under the lock, whenever it is free:
//
//	a put waits  =>  n == max and the queue is open
//	a get waits  =>  n == 0   and the queue is open
//
// limit and floor turn the question whether a call may take the short way into
// one comparison each: a put if n < limit, a get if n > floor. What the short
// ways touch fills one cache line, down to buf.
type core[E any] struct {
	mu sync.Mutex // mu guards the fields below

	limit int // len(buf), or 0 while gets wait, and once closed
	floor int // 0, or the largest int while puts wait, and once closed
	n     int // values held
	head  int // slot of the front; 0 in a Priority
	buf   []E

	high               int    // largest n so far
	gets               uint64 // values delivered; puts are not counted: they are gets + dropped + n
	dropped, rejected  uint64
	putWaits, getWaits uint64

	putting, getting line[E] // calls that wait
	idle             *waiter[E]
	idleLen          int

	max    int // capacity; 0 in a zero value
	closed bool
}

// slotBytes and slotCount bound what New allocates, so that a huge capacity is
// free until it is used.
const (
	slotBytes = 64 << 10
	slotCount = 1024
)

// slots returns how many of at most want slots to allocate in advance: at least
// one.
func slots[E any](want int) int {
	size := max(1, int(reflect.TypeFor[E]().Size()))
	return max(1, min(want, slotCount, slotBytes/size))
}

// init checks the capacity, which the user knows under name, and allocates the
// first slots.
func (c *core[E]) init(name string, capacity int) error {
	if capacity < 1 {
		return fmt.Errorf("%w: %s must be at least 1, got %d", ErrConfig, name, capacity)
	}
	c.max = capacity
	c.buf = make([]E, slots[E](capacity))
	c.limit = len(c.buf)
	return nil
}

// lock takes the mutex; see lock.go.
func (c *core[E]) lock() {
	if !c.mu.TryLock() {
		lockSlow(&c.mu)
	}
}

// grow makes room for n values, at most max, by doubling: the copies cost a
// constant for each value ever put.
func (c *core[E]) grow(n int) {
	size := len(c.buf)
	for size < n {
		if size > c.max/2 {
			size = c.max
		} else {
			size *= 2
		}
	}
	if size == len(c.buf) {
		return
	}
	buf := make([]E, size)
	k := copy(buf, c.buf[c.head:])
	copy(buf[k:], c.buf[:c.head])
	c.buf, c.head = buf, 0
}

// settle brings limit and floor up to date after a change of the lines, of buf
// or of closed, and lets go of the slots of a queue that has ended. Whoever
// took a long way calls it before the unlock.
func (c *core[E]) settle() {
	c.limit, c.floor = len(c.buf), 0
	if c.getting.head != nil || c.closed {
		c.limit = 0
	}
	if c.putting.head != nil || c.closed {
		c.floor = math.MaxInt
	}
	if c.closed && c.n == 0 {
		c.buf, c.head, c.idle, c.idleLen = nil, 0, nil, 0
	}
	if invariants.Enabled {
		invariants.Check(c.validate())
	}
}

// close closes the queue and releases everybody who waits.
func (c *core[E]) close(woken *line[E]) {
	c.closed = true
	for _, l := range []*line[E]{&c.putting, &c.getting} {
		for l.head != nil {
			l.head.closed = true
			l.release(woken)
		}
	}
}

// length is Len.
func (c *core[E]) length() int {
	c.lock()
	defer c.mu.Unlock()
	return c.n
}

// usable panics in a zero value; a put or a get in one would never end.
func (c *core[E]) usable(how string) {
	if c.max == 0 {
		panic("boundedqueue: " + how)
	}
}

// validate checks the invariants.
func (c *core[E]) validate() error {
	switch {
	case c.putting.head != nil && (c.n != c.max || c.closed):
		return errors.New("a put waits, and the queue is not full or closed")
	case c.getting.head != nil && (c.n != 0 || c.closed):
		return errors.New("a get waits, and the queue is not empty or closed")
	case c.n < 0 || c.n > c.max || c.n > len(c.buf) || c.high < c.n || len(c.buf) > c.max:
		return fmt.Errorf("%d values in %d slots, at most %d, high water %d", c.n, len(c.buf), c.max, c.high)
	case c.head < 0 || c.head > 0 && c.head >= len(c.buf):
		return fmt.Errorf("front in slot %d of %d", c.head, len(c.buf))
	case (c.limit == len(c.buf)) == (c.getting.head != nil || c.closed && c.buf != nil),
		(c.floor == 0) == (c.putting.head != nil || c.closed):
		return fmt.Errorf("short ways at %d and %d, which do not fit the lines", c.limit, c.floor)
	}
	return errors.Join(c.putting.validate(), c.getting.validate())
}

// validate checks links, count, and that everybody in a line is queued and has
// something left to do.
func (l *line[E]) validate() error {
	var prev *waiter[E]
	count := 0
	for w := l.head; w != nil; prev, w = w, w.next {
		if w.prev != prev || !w.queued || w.closed || len(w.vals) == 0 {
			return errors.New("waiter linked wrongly, not queued or without work")
		}
		count++
	}
	if l.tail != prev || l.len != count {
		return errors.New("line disagrees with its count or its tail")
	}
	return nil
}
