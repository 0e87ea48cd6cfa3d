package benchmarks

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

var tokenbucketXTime = tokenbucketImpl{
	name:    "xtime",
	limiter: func(cfg tokenbucketConfig) tokenbucketLimiter { return newTokenbucketXTime(cfg) },
	waiter:  func(cfg tokenbucketConfig) tokenbucketWaiter { return newTokenbucketXTime(cfg) },
	refuses: true,
	batches: true,
}

type tokenbucketXTimeLimiter struct{ limiter *rate.Limiter }

func newTokenbucketXTime(cfg tokenbucketConfig) tokenbucketXTimeLimiter {
	return tokenbucketXTimeLimiter{rate.NewLimiter(rate.Every(cfg.every), cfg.burst)}
}

func (l tokenbucketXTimeLimiter) AllowN(n int) bool              { return l.limiter.AllowN(time.Now(), n) }
func (l tokenbucketXTimeLimiter) Wait(ctx context.Context) error { return l.limiter.Wait(ctx) }
