package benchmarks

import (
	"time"

	"github.com/mainstay-go/mainstay/slidingwindow"
)

func newSlidingwindowMax[T int | float64](size int) func(T) T {
	x, err := slidingwindow.NewMax[T](size)
	if err != nil {
		panic(err)
	}
	return x.Push
}

func newSlidingwindowFold(size int) func(slidingwindowStat) slidingwindowStat {
	return newSlidingwindowFoldOf(size, false)
}

func newSlidingwindowFoldWorst(size int) func(slidingwindowStat) slidingwindowStat {
	return newSlidingwindowFoldOf(size, true)
}

func newSlidingwindowFoldOf(size int, worst bool) func(slidingwindowStat) slidingwindowStat {
	f, err := slidingwindow.NewFold(slidingwindow.FoldConfig[slidingwindowStat]{
		Size:      size,
		Combine:   slidingwindowCombine,
		WorstCase: worst,
	})
	if err != nil {
		panic(err)
	}
	return f.Push
}

type slidingwindowMainstay struct{ counter *slidingwindow.Counter }

func newSlidingwindowCounter() slidingwindowCounter {
	return slidingwindowMainstay{newSlidingwindowMainstay(false)}
}

func newSlidingwindowMainstay(eventTime bool) *slidingwindow.Counter {
	c, err := slidingwindow.NewCounter(slidingwindow.CounterConfig{Window: time.Second, EventTime: eventTime})
	if err != nil {
		panic(err)
	}
	return c
}

func (m slidingwindowMainstay) Add()       { m.counter.Add(1) }
func (m slidingwindowMainstay) Sum() int64 { return m.counter.Sum() }

// slidingwindowEvents are events of which each is a microsecond younger than the one before.
type slidingwindowEvents struct {
	counter *slidingwindow.Counter
	at      time.Time
}

func newSlidingwindowEvents() slidingwindowCounter {
	return &slidingwindowEvents{newSlidingwindowMainstay(true), time.Unix(1000, 0)}
}

func (e *slidingwindowEvents) Add() {
	e.at = e.at.Add(time.Microsecond)
	e.counter.AddAt(e.at, 1)
}

func (e *slidingwindowEvents) Sum() int64 { return e.counter.Sum() }

type slidingwindowTopk struct{ top *slidingwindow.TopK[string] }

func newSlidingwindowTopk() slidingwindowTop {
	top, err := slidingwindow.NewTopK[string](slidingwindow.TopKConfig{Window: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	return slidingwindowTopk{top}
}

func (k slidingwindowTopk) Add(key string) { k.top.Add(key, 1) }
func (k slidingwindowTopk) First() string  { return k.top.Top(1)[0].Key }
