//nolint:staticcheck // sections are empty on purpose (SA2001)
package rwlock

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rw is what the baselines can do, too.
type rw interface {
	Lock()
	Unlock()
	RLock()
	RUnlock()
}

// mutex is a sync.Mutex in the place of a reader/writer lock.
type mutex struct{ sync.Mutex }

func (m *mutex) RLock()   { m.Lock() }
func (m *mutex) RUnlock() { m.Unlock() }

// channel is a lock made of a channel of one.
type channel chan struct{}

func (c channel) Lock()    { c <- struct{}{} }
func (c channel) Unlock()  { <-c }
func (c channel) RLock()   { c <- struct{}{} }
func (c channel) RUnlock() { <-c }

// The uncontended operations are written out for each implementation: behind an interface they would all cost the same.

func BenchmarkRead(b *testing.B) {
	for _, cfg := range modelConfigs {
		l := newLock(b, cfg)
		b.Run("impl=mainstay/policy="+policyName(cfg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.RLock()
				l.RUnlock()
			}
		})
	}
	b.Run("impl=sync.RWMutex", func(b *testing.B) {
		var l sync.RWMutex
		for b.Loop() {
			l.RLock()
			l.RUnlock()
		}
	})
	b.Run("impl=sync.Mutex", func(b *testing.B) {
		var l sync.Mutex
		for b.Loop() {
			l.Lock()
			l.Unlock()
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	b.Run("impl=mainstay", func(b *testing.B) {
		var l RWLock
		b.ReportAllocs()
		for b.Loop() {
			l.Lock()
			l.Unlock()
		}
	})
	b.Run("impl=sync.RWMutex", func(b *testing.B) {
		var l sync.RWMutex
		for b.Loop() {
			l.Lock()
			l.Unlock()
		}
	})
	b.Run("impl=sync.Mutex", func(b *testing.B) {
		var l sync.Mutex
		for b.Loop() {
			l.Lock()
			l.Unlock()
		}
	})
	b.Run("impl=channel", func(b *testing.B) {
		l := make(channel, 1)
		for b.Loop() {
			l.Lock()
			l.Unlock()
		}
	})
}

func BenchmarkContext(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var l RWLock
	b.Run("impl=mainstay/op=read", func(b *testing.B) {
		b.ReportAllocs()
		failed := 0
		for b.Loop() {
			if l.RLockContext(ctx) != nil {
				failed++
			}
			l.RUnlock()
		}
		if failed > 0 {
			b.Fatal(failed)
		}
	})
	b.Run("impl=mainstay/op=write", func(b *testing.B) {
		b.ReportAllocs()
		failed := 0
		for b.Loop() {
			if l.LockContext(ctx) != nil {
				failed++
			}
			l.Unlock()
		}
		if failed > 0 {
			b.Fatal(failed)
		}
	})
}

func BenchmarkTryRead(b *testing.B) {
	b.Run("impl=mainstay", func(b *testing.B) {
		var l RWLock
		for b.Loop() {
			l.TryRLock()
			l.RUnlock()
		}
	})
	b.Run("impl=sync.RWMutex", func(b *testing.B) {
		var l sync.RWMutex
		for b.Loop() {
			l.TryRLock()
			l.RUnlock()
		}
	})
}

// BenchmarkDowngradeCycle writes, reads, writes again and leaves; the baseline gives the lock up in between.
func BenchmarkDowngradeCycle(b *testing.B) {
	b.Run("impl=mainstay", func(b *testing.B) {
		var l RWLock
		b.ReportAllocs()
		for b.Loop() {
			l.Lock()
			l.Downgrade()
			if !l.TryUpgrade() {
				b.Fatal("alone and refused")
			}
			l.Unlock()
		}
	})
	b.Run("impl=sync.RWMutex", func(b *testing.B) {
		var l sync.RWMutex
		for b.Loop() {
			l.Lock()
			l.Unlock()
			l.RLock()
			l.RUnlock()
			l.Lock()
			l.Unlock()
		}
	})
}

func implementations() map[string]func() rw {
	return map[string]func() rw{
		"mainstay":     func() rw { return new(RWLock) },
		"sync.RWMutex": func() rw { return new(sync.RWMutex) },
		"sync.Mutex":   func() rw { return new(mutex) },
		"channel":      func() rw { return make(channel, 1) },
	}
}

func BenchmarkReadParallel(b *testing.B) {
	for impl, create := range implementations() {
		b.Run("impl="+impl, func(b *testing.B) {
			l := create()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.RLock()
					l.RUnlock()
				}
			})
		})
	}
}

// BenchmarkMixed writes once in so many calls, in parallel, with so many steps of work inside.
func BenchmarkMixed(b *testing.B) {
	for _, writeOneIn := range []int{10, 25, 100, 1000} {
		for _, work := range []int{0, 100} {
			for impl, create := range implementations() {
				b.Run(fmt.Sprintf("writes=1in%d/work=%d/impl=%s", writeOneIn, work, impl), func(b *testing.B) {
					mixed(b, create(), writeOneIn, work)
				})
			}
		}
	}
}

func mixed(b *testing.B, l rw, writeOneIn, work int) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		local := 0
		for i := 0; pb.Next(); i++ {
			if i%writeOneIn == 0 {
				l.Lock()
				local += spin(work)
				l.Unlock()
			} else {
				l.RLock()
				local += spin(work)
				l.RUnlock()
			}
		}
		runtime.KeepAlive(local)
	})
}

func spin(steps int) (sum int) {
	for i := range steps {
		sum += i * sum
	}
	return sum
}

// BenchmarkWriterHandoff lets two goroutines take turns: each finds the lock held, parks, and is handed it.
func BenchmarkWriterHandoff(b *testing.B) {
	for impl, create := range implementations() {
		b.Run("impl="+impl, func(b *testing.B) {
			l := create()
			b.ReportAllocs()
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					for range b.N / 2 {
						l.Lock()
						runtime.Gosched() // with the lock held: the other one finds it so
						l.Unlock()
					}
				})
			}
			group.Wait()
		})
	}
}

func policyName(cfg Config) string {
	switch {
	case cfg.MaxWriterWait > 0:
		return fmt.Sprintf("ReaderPreferring+%v", cfg.MaxWriterWait)
	case cfg.Policy == WriterPreferring:
		return "WriterPreferring"
	case cfg.Policy == PhaseFair:
		return "PhaseFair"
	}
	return "ReaderPreferring"
}

// contenders are the locks of the tables about waiting.
func contenders(b *testing.B) []struct {
	name string
	make func() rw
} {
	b.Helper()
	list := []struct {
		name string
		make func() rw
	}{{"sync.RWMutex", func() rw { return new(sync.RWMutex) }}}
	for _, cfg := range modelConfigs {
		list = append(list, struct {
			name string
			make func() rw
		}{policyName(cfg), func() rw { return newLock(b, cfg) }})
	}
	return list
}

// storm keeps n goroutines in the lock for a millisecond each, staggered, with a gap in between, until stop; the
// function that it returns waits for their end.
func storm(n int, gap time.Duration, lock, unlock func(), stop *atomic.Bool) (join func()) {
	const hold = time.Millisecond
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			time.Sleep(time.Duration(i) * hold / time.Duration(n))
			for !stop.Load() {
				lock()
				time.Sleep(hold)
				unlock()
				if gap > 0 {
					time.Sleep(gap)
				}
			}
		})
	}
	return group.Wait
}

// starvation is how long a wait has to last until the storm is stopped and the lock called starved.
const starvation = 1500 * time.Millisecond

// measureWaits asks for the lock every 2 ms in the middle of a storm, and reports how long it waited.
func measureWaits(b *testing.B, n int, gap time.Duration, stormLock, stormUnlock, lock, unlock func()) {
	b.Helper()
	var stop atomic.Bool
	join := storm(n, gap, stormLock, stormUnlock, &stop)
	time.Sleep(10 * time.Millisecond)
	var waits []time.Duration
	for b.Loop() {
		if stop.Load() {
			continue // starved
		}
		end := time.AfterFunc(starvation, func() { stop.Store(true) })
		begin := time.Now()
		lock()
		waits = append(waits, time.Since(begin))
		unlock()
		end.Stop()
		time.Sleep(2 * time.Millisecond)
	}
	starved := 0.0
	if stop.Swap(true) {
		starved = 1
	}
	join()
	slices.Sort(waits)
	ms := func(at int) float64 { return float64(waits[at].Microseconds()) / 1e3 }
	b.ReportMetric(starved, "starved")
	b.ReportMetric(ms(len(waits)/2), "p50-ms")
	b.ReportMetric(ms(len(waits)*99/100), "p99-ms")
	b.ReportMetric(ms(len(waits)-1), "max-ms")
}

// BenchmarkWriterWait prints how long a writer waits while readers hold the lock for 1 ms each. Run it with
// -benchtime 1500ms for the table in the package comment.
func BenchmarkWriterWait(b *testing.B) {
	for _, shape := range []struct {
		readers int
		gap     time.Duration
	}{{2, 0}, {4, 0}, {2, time.Millisecond}, {4, time.Millisecond}, {8, time.Millisecond}} {
		for _, c := range contenders(b) {
			b.Run(fmt.Sprintf("readers=%d/gap=%v/impl=%s", shape.readers, shape.gap, c.name), func(b *testing.B) {
				l := c.make()
				measureWaits(b, shape.readers, shape.gap, l.RLock, l.RUnlock, l.Lock, l.Unlock)
			})
		}
	}
}

// BenchmarkReaderWait is the mirror image: a reader among writers that hold the lock for 1 ms each.
func BenchmarkReaderWait(b *testing.B) {
	for _, shape := range []struct {
		writers int
		gap     time.Duration
	}{{2, 0}, {4, 0}, {2, time.Millisecond}} {
		for _, c := range contenders(b) {
			b.Run(fmt.Sprintf("writers=%d/gap=%v/impl=%s", shape.writers, shape.gap, c.name), func(b *testing.B) {
				l := c.make()
				measureWaits(b, shape.writers, shape.gap, l.Lock, l.Unlock, l.RLock, l.RUnlock)
			})
		}
	}
}
