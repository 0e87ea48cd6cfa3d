package ratelimit

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/mainstay-go/mainstay/internal/tokenunits"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// Algorithm selects how a Limiter counts. The package comment compares them.
type Algorithm uint8

const (
	// TokenBucket is the default: Burst at once, then Rate. Exact, 8 bytes of
	// state for a key.
	TokenBucket Algorithm = iota

	// SlidingWindow keeps two counters and weighs the older one by how much of
	// it still lies in the window. Approximate, 24 bytes of state for a key.
	SlidingWindow

	// SlidingLog keeps a time stamp for each token that was granted. Exact in
	// every window, 8*Tokens bytes for a busy key.
	SlidingLog

	// FixedWindow keeps one counter, and admits up to 2*Tokens around the edge
	// of a window. 16 bytes of state for a key.
	FixedWindow
)

var algorithmNames = [...]string{
	TokenBucket: "token bucket", SlidingWindow: "sliding window", SlidingLog: "sliding log", FixedWindow: "fixed window",
}

// String returns the name in words, "token bucket" for instance.
func (a Algorithm) String() string {
	if int(a) >= len(algorithmNames) {
		return fmt.Sprintf("Algorithm(%d)", uint8(a))
	}
	return algorithmNames[a]
}

// Limit is what one key may use. For TokenBucket it is a bucket of Burst that
// is refilled at Rate, for the other algorithms Rate.Tokens in a window of
// Rate.Per.
type Limit struct {
	// Rate is required: at least 1 token, a Per of 1ns to 10 years of 365 days,
	// at most 10 tokens a nanosecond.
	Rate tokenbucket.Rate

	// Burst is the size of the bucket; 0 means Rate.Tokens. It must fill within
	// 10 years. For the window algorithms it must be 0.
	Burst int64
}

// quota is the most that a key can use at once.
func (l Limit) quota() int64 {
	if l.Burst != 0 {
		return l.Burst
	}
	return l.Rate.Tokens
}

// window is the time in which the whole quota comes back, rounded up. It fits,
// since check bounds it.
func (l Limit) window() time.Duration {
	hi, lo := bits.Mul64(uint64(l.quota()), uint64(l.Rate.Per))
	quo, rest := bits.Div64(hi, lo, uint64(l.Rate.Tokens))
	if rest != 0 {
		quo++
	}
	return time.Duration(quo)
}

// maxPer is the longest window. It keeps sums of an instant and two windows
// within 63 bits.
const maxPer = 10 * 365 * 24 * time.Hour

// check returns nil if a limiter can apply l, or an error whose text starts
// with the name of the field.
func (l Limit) check(a Algorithm) error {
	if err := tokenunits.Check(l.Rate.Tokens, l.Rate.Per, l.quota()); err != nil {
		return fmt.Errorf("Limit.%w", err)
	}
	if l.Rate.Per > maxPer {
		return fmt.Errorf("Limit.Rate must be per at most 10 years, got %v", l.Rate)
	}
	if a != TokenBucket && l.Burst != 0 {
		return fmt.Errorf("Limit.Burst must be 0 with a %v, got %d", a, l.Burst)
	}
	return nil
}
