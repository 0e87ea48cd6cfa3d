package benchmarks

import (
	"time"

	"github.com/zeromicro/go-zero/core/collection"
)

type slidingwindowGoZero struct {
	window *collection.RollingWindow[int64, *collection.Bucket[int64]]
}

func newSlidingwindowGoZero() slidingwindowCounter {
	newBucket := func() *collection.Bucket[int64] { return new(collection.Bucket[int64]) }
	return slidingwindowGoZero{collection.NewRollingWindow[int64](newBucket, 10, 100*time.Millisecond)}
}

func (g slidingwindowGoZero) Add() { g.window.Add(1) }

func (g slidingwindowGoZero) Sum() (sum int64) {
	g.window.Reduce(func(b *collection.Bucket[int64]) { sum += b.Sum })
	return sum
}
