package benchmarks

import (
	"sync"

	"github.com/go-kratos/aegis/topk"
)

// slidingwindowAegis is HeavyKeeper for the first 1024 keys, which has no window: it fades by decay. It is not safe for
// concurrent use, hence the mutex.
type slidingwindowAegis struct {
	mu  sync.Mutex
	top topk.Topk
}

func newSlidingwindowAegis() slidingwindowTop {
	return &slidingwindowAegis{top: topk.NewHeavyKeeper(1024, 10_000, 5, 0.925, 0)}
}

func (a *slidingwindowAegis) Add(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.top.Add(key, 1)
}

func (a *slidingwindowAegis) First() string { return a.top.List()[0].Key }
