package benchmarks

import "github.com/juju/ratelimit"

var tokenbucketJuju = tokenbucketImpl{
	name: "juju",
	limiter: func(cfg tokenbucketConfig) tokenbucketLimiter {
		return tokenbucketJujuBucket{ratelimit.NewBucket(cfg.every, int64(cfg.burst))}
	},
	refuses: true,
}

type tokenbucketJujuBucket struct{ bucket *ratelimit.Bucket }

// AllowN is comparable for n = 1 only: of more TakeAvailable takes a part.
func (l tokenbucketJujuBucket) AllowN(n int) bool {
	return l.bucket.TakeAvailable(int64(n)) == int64(n)
}
