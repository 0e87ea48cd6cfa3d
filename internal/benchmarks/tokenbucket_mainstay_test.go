package benchmarks

import (
	"context"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

var tokenbucketMainstay = tokenbucketImpl{
	name:    "mainstay",
	limiter: func(cfg tokenbucketConfig) tokenbucketLimiter { return newTokenbucketMainstay(cfg) },
	waiter:  func(cfg tokenbucketConfig) tokenbucketWaiter { return newTokenbucketMainstay(cfg) },
	refuses: true,
	batches: true,
}

type tokenbucketMainstayBucket struct{ bucket *tokenbucket.Bucket }

func newTokenbucketMainstay(cfg tokenbucketConfig) tokenbucketMainstayBucket {
	bucket, err := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.Every(cfg.every), Burst: int64(cfg.burst)})
	if err != nil {
		panic(err)
	}
	return tokenbucketMainstayBucket{bucket}
}

func (l tokenbucketMainstayBucket) AllowN(n int) bool              { return l.bucket.AllowN(int64(n)) }
func (l tokenbucketMainstayBucket) Wait(ctx context.Context) error { return l.bucket.Wait(ctx) }
