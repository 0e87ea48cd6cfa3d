// Package bounds checks what the caches ask of their limits, so that they
// refuse the same settings in the same words.
package bounds

import "fmt"

// Error wraps base, the ErrConfig of a package, in a text that names the field,
// the rule and the value: "lru: invalid config: Capacity must be at least 1,
// got 0".
func Error(base error, field, rule string, got any) error {
	return fmt.Errorf("%w: %s %s, got %v", base, field, rule, got)
}

// Capacity refuses a number of entries below 1 or above most.
func Capacity(base error, capacity, most int) error {
	switch {
	case capacity < 1:
		return Error(base, "Capacity", "must be at least 1", capacity)
	case capacity > most:
		return Error(base, "Capacity", fmt.Sprintf("must be at most %d", most), capacity)
	}
	return nil
}

// Weights refuses a bound without a function that weighs, and the reverse.
func Weights(base error, maxWeight int64, weighs bool) error {
	switch {
	case maxWeight < 0:
		return Error(base, "MaxWeight", "must not be negative", maxWeight)
	case weighs && maxWeight == 0:
		return Error(base, "MaxWeight", "must be at least 1 with Weigh", maxWeight)
	case !weighs && maxWeight != 0:
		return Error(base, "Weigh", "must be set with MaxWeight", "nil")
	}
	return nil
}
