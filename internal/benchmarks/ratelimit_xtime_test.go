package benchmarks

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ratelimitXTime is what is written without a library: a map of limiters behind a mutex. It never forgets a key.
var ratelimitXTime = ratelimitImpl{
	name: "x-time-map",
	keyed: func(perSecond, _ int) ratelimitKeyed {
		every, burst := rate.Limit(perSecond), perSecond
		if perSecond < 0 {
			every, burst = rate.Every(time.Hour), 1
		}
		return &ratelimitXTimeMap{limiters: map[string]*rate.Limiter{}, every: every, burst: burst}
	},
}

type ratelimitXTimeMap struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
	every    rate.Limit
	burst    int
}

func (m *ratelimitXTimeMap) Allow(key string) bool {
	m.mu.Lock()
	l, ok := m.limiters[key]
	if !ok {
		l = rate.NewLimiter(m.every, m.burst)
		m.limiters[key] = l
	}
	m.mu.Unlock()
	return l.Allow()
}
