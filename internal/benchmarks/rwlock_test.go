package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// rwlockLock is one lock. The loops are the adapter's own, so that what is compared is the lock and not the call through
// an interface.
type rwlockLock interface {
	read(inside func())
	write(inside func())
	reads(n int)
	writes(n int)
	mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int)
}

// rwlockContext is a lock whose waits can be cancelled.
type rwlockContext interface {
	contextReads(ctx context.Context, n int) (failed int)
	contextWrites(ctx context.Context, n int) (failed int)
}

type rwlockImpl struct {
	name string
	make func() rwlockLock
}

func rwlockImpls() []rwlockImpl {
	return []rwlockImpl{rwlockMainstay, rwlockStd, rwlockXsync, rwlockGopkg, rwlockXsem, rwlockChannel}
}

// rwlockRegister is what the lock guards: two halves that agree outside of a write section.
type rwlockRegister struct{ left, right int }

// write counts one write and does so many steps of work between the halves.
func (r *rwlockRegister) write(work int) int {
	r.left++
	sum := rwlockWork(work)
	r.right++
	return sum
}

// read does so many steps of work, and panics if it sees half a write.
func (r *rwlockRegister) read(work int) int {
	left := r.left
	sum := rwlockWork(work)
	if r.right != left {
		panic("half a write is seen")
	}
	return sum
}

func rwlockWork(steps int) (sum int) {
	for i := range steps {
		sum = sum*31 + i
	}
	return sum
}

// rwlockBatch is how many pairs an iteration of the uncontended benchmarks does; the figure is that of the batch.
const rwlockBatch = 100

// BenchmarkRWLockRead is a hundred pairs of RLock and RUnlock of an uncontended lock.
func BenchmarkRWLockRead(b *testing.B) {
	rwlockEach(b, func(b *testing.B, l rwlockLock) {
		for b.Loop() {
			l.reads(rwlockBatch)
		}
	})
}

// BenchmarkRWLockWrite is a hundred pairs of Lock and Unlock.
func BenchmarkRWLockWrite(b *testing.B) {
	rwlockEach(b, func(b *testing.B, l rwlockLock) {
		for b.Loop() {
			l.writes(rwlockBatch)
		}
	})
}

// rwlockEach runs f on every implementation, and checks the lock before.
func rwlockEach(b *testing.B, f func(b *testing.B, l rwlockLock)) {
	b.Helper()
	for _, impl := range rwlockImpls() {
		b.Run("impl="+impl.name, func(b *testing.B) {
			l := impl.make()
			rwlockExcludes(b, l)
			b.ReportAllocs()
			f(b, l)
		})
	}
}

// BenchmarkRWLockContext is a hundred pairs that could be cancelled.
func BenchmarkRWLockContext(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for _, impl := range rwlockImpls() {
		l, ok := impl.make().(rwlockContext)
		if !ok {
			continue
		}
		for op, run := range map[string]func(context.Context, int) int{"read": l.contextReads, "write": l.contextWrites} {
			b.Run(fmt.Sprintf("impl=%s/op=%s", impl.name, op), func(b *testing.B) {
				b.ReportAllocs()
				failed := 0
				for b.Loop() {
					failed += run(ctx, rwlockBatch)
				}
				require.Zero(b, failed)
			})
		}
	}
}

// BenchmarkRWLockReadParallel is a hundred pairs of RLock and RUnlock on all processors.
func BenchmarkRWLockReadParallel(b *testing.B) {
	rwlockEach(b, func(b *testing.B, l rwlockLock) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.reads(rwlockBatch)
			}
		})
	})
}

// BenchmarkRWLockMixed is a thousand calls on all processors, of which one in so many writes, with work inside.
func BenchmarkRWLockMixed(b *testing.B) {
	const calls = 1000
	for _, writeOneIn := range []int{10, 25, 100, 1000} {
		for _, work := range []int{0, 100} {
			for _, impl := range rwlockImpls() {
				b.Run(fmt.Sprintf("impl=%s/writes=1in%d/work=%d", impl.name, writeOneIn, work), func(b *testing.B) {
					l := impl.make()
					r := &rwlockRegister{}
					b.ReportAllocs()
					var batches, sum atomic.Int64
					b.RunParallel(func(pb *testing.PB) {
						local := 0
						for pb.Next() {
							local += l.mixed(r, calls, writeOneIn, work)
							batches.Add(1)
						}
						sum.Add(int64(local))
					})
					require.Equal(b, int(batches.Load())*calls/writeOneIn, r.right, "writes were lost")
				})
			}
		}
	}
}

// rwlockExcludes lets readers and writers loose on a register.
func rwlockExcludes(tb testing.TB, l rwlockLock) {
	tb.Helper()
	const workers, rounds = 4, 100
	r := &rwlockRegister{}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				l.write(func() { r.write(3) })
				l.read(func() { r.read(3) })
			}
		})
	}
	group.Wait()
	require.Equal(tb, rwlockRegister{workers * rounds, workers * rounds}, *r)
}

// Every lock excludes.
func TestRWLockPeersExclude(t *testing.T) {
	for _, impl := range rwlockImpls() {
		rwlockExcludes(t, impl.make())
	}
}
