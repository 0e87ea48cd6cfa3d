package benchmarks

import (
	"time"

	"go.uber.org/ratelimit"
)

// tokenbucketUber has one call, which blocks until there is a token: it is compared where there always is one.
var tokenbucketUber = tokenbucketImpl{
	name: "uber",
	limiter: func(cfg tokenbucketConfig) tokenbucketLimiter {
		perSecond := int(time.Second / cfg.every)
		return tokenbucketUberLimiter{ratelimit.New(perSecond, ratelimit.WithSlack(perSecond))}
	},
}

type tokenbucketUberLimiter struct{ limiter ratelimit.Limiter }

func (l tokenbucketUberLimiter) AllowN(int) bool { return !l.limiter.Take().IsZero() }
