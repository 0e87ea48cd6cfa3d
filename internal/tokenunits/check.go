package tokenunits

import (
	"fmt"
	"math/bits"
	"time"
)

// maxFill bounds the time in which an empty bucket fills: a third of Horizon,
// so that Full and a position always have a difference in 63 bits.
const maxFill = 10 * 365 * 24 * time.Hour

// Check returns nil if tokens every per is a rate, and burst a bucket, that an
// Axis can hold. The text of its error starts with the name of the field at
// fault, Rate or Burst.
func Check(tokens int64, per time.Duration, burst int64) error {
	switch {
	case tokens < 1:
		return fault("Rate", "at least 1 token, got %d per %v", tokens, per)
	case per < 1:
		return fault("Rate", "per at least 1ns, got %d per %v", tokens, per)
	case (tokens-1)/maxPerNano >= int64(per): // tokens > maxPerNano*per, without forming the product
		return fault("Rate", "at most %d tokens per nanosecond, got %d per %v", maxPerNano, tokens, per)
	case burst < 1:
		return fault("Burst", "at least 1, or 0 for Rate.Tokens, got %d", burst)
	case fillsTooLong(tokens, per, burst):
		return fault("Burst", "at most what Rate fills in 10 years, got %d at %d per %v", burst, tokens, per)
	}
	return nil
}

// fillsTooLong tells whether burst/(tokens/per) > maxFill, compared crosswise
// in 128 bits.
func fillsTooLong(tokens int64, per time.Duration, burst int64) bool {
	fillHi, fillLo := bits.Mul64(uint64(burst), uint64(per))
	maxHi, maxLo := bits.Mul64(uint64(maxFill), uint64(tokens))
	return fillHi > maxHi || fillHi == maxHi && fillLo > maxLo
}

func fault(field, format string, args ...any) error {
	return fmt.Errorf("%s must be %s", field, fmt.Sprintf(format, args...))
}
