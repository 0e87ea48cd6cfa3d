package benchmarks

import (
	"context"
	"time"

	"github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"
)

var ratelimitGoLimiter = ratelimitImpl{
	name: "go-limiter",
	keyed: func(perSecond, _ int) ratelimitKeyed {
		cfg := &memorystore.Config{Tokens: uint64(max(perSecond, 1)), Interval: time.Second}
		if perSecond < 0 {
			cfg.Interval = time.Hour
		}
		store, err := memorystore.New(cfg)
		if err != nil {
			panic(err)
		}
		return ratelimitGoLimiterStore{store}
	},
}

type ratelimitGoLimiterStore struct{ store limiter.Store }

func (l ratelimitGoLimiterStore) Allow(key string) bool {
	_, _, _, ok, err := l.store.Take(context.Background(), key)
	return ok && err == nil
}
