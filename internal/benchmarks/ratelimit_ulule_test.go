package benchmarks

import (
	"context"
	"time"

	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"
)

var ratelimitUlule = ratelimitImpl{
	name: "ulule",
	keyed: func(perSecond, _ int) ratelimitKeyed {
		rate := limiter.Rate{Period: time.Second, Limit: int64(perSecond)}
		if perSecond < 0 {
			rate = limiter.Rate{Period: time.Hour, Limit: 1}
		}
		return ratelimitUluleLimiter{limiter.New(memory.NewStore(), rate)}
	},
}

type ratelimitUluleLimiter struct{ l *limiter.Limiter }

func (l ratelimitUluleLimiter) Allow(key string) bool {
	c, err := l.l.Get(context.Background(), key)
	return err == nil && !c.Reached
}
