package idgen

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wide is a layout that cannot be used up by a benchmark: a million ids per ms.
var wide = Layout{TimeBits: 41, NodeBits: 2, SequenceBits: 20}

// whiteboard is the baseline: the generator that one writes in an interview, a mutex around a time and a sequence.
type whiteboard struct {
	mu        sync.Mutex
	node      int64
	bits      uint
	last, seq int64
}

func (w *whiteboard) next() ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Since(wallEpoch).Milliseconds()
	if now == w.last {
		w.seq++
	} else {
		w.last, w.seq = now, 0
	}
	return ID(now<<22 | w.node<<w.bits | w.seq)
}

var wallEpoch = time.Now()

func benchGenerator(b *testing.B, cfg Config) *Generator {
	b.Helper()
	g, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	return g
}

func BenchmarkNext(b *testing.B) {
	w := &whiteboard{bits: 20}
	contenders := []struct {
		name string
		next func(context.Context) (ID, error)
	}{
		{"mainstay", benchGenerator(b, Config{Layout: wide}).Next},
		{"mutex", func(context.Context) (ID, error) { return w.next(), nil }},
	}
	for _, c := range contenders {
		b.Run("impl="+c.name+"/mode=serial", func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			var last ID
			for b.Loop() {
				id, err := c.next(ctx)
				if err != nil || id <= last {
					b.Fatal(id, last, err)
				}
				last = id
			}
		})
		b.Run("impl="+c.name+"/mode=parallel", func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var last ID
				for pb.Next() {
					id, err := c.next(ctx)
					if err != nil || id <= last {
						b.Error(id, last, err)
						return
					}
					last = id
				}
			})
		})
	}
}

func BenchmarkNextN(b *testing.B) {
	g, ctx, dst := benchGenerator(b, Config{Layout: wide}), context.Background(), make([]ID, 700)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.NextN(ctx, dst); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(dst)), "ns/id")
}

// BenchmarkClock is the floor: the reading of the clock that each id needs.
func BenchmarkClock(b *testing.B) {
	g := benchGenerator(b, Config{})
	for b.Loop() {
		_ = g.elapsed()
	}
}

// BenchmarkNeighbours is why the word that every id moves has a cache line for itself: a word that is only read, once per
// operation as the fields of the clock are, next to one that every operation moves, and a line away from it.
func BenchmarkNeighbours(b *testing.B) {
	var near struct {
		read, moved atomic.Uint64
		_           [cacheLine]byte
	}
	var far struct {
		read  atomic.Uint64
		_     [cacheLine]byte
		moved atomic.Uint64
		_     [cacheLine]byte
	}
	for _, c := range []struct {
		name        string
		read, moved *atomic.Uint64
	}{{"line=shared", &near.read, &near.moved}, {"line=own", &far.read, &far.moved}} {
		b.Run(c.name, func(b *testing.B) {
			base := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					now := c.read.Load() + uint64(time.Since(base)&1)
					for last := c.moved.Load(); !c.moved.CompareAndSwap(last, last+1+now); last = c.moved.Load() {
					}
				}
			})
		})
	}
}

func BenchmarkUUID(b *testing.B) {
	var g UUIDGenerator
	b.Run("mode=serial", func(b *testing.B) {
		for b.Loop() {
			_ = g.Next()
		}
	})
	b.Run("mode=parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = g.Next()
			}
		})
	})
}

func BenchmarkText(b *testing.B) {
	const id = ID(3541881725423460352)
	for name, format := range map[string]func(ID) string{"base62": ID.Base62, "base32": ID.Base32, "decimal": ID.String} {
		b.Run("form="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = format(id)
			}
		})
	}
}
