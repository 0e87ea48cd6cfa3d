//go:build purego

package stripe

import "math/rand/v2"

// hint returns a number whose high bits are random.
func hint() uint64 { return rand.Uint64() }
