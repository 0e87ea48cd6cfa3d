//go:build !race && !chaos && !invariants

package idgen

// The sizes of the big tests, smaller where every step is expensive.
const (
	manyLeases = 100_000
	manyIDs    = 10_000_000

	instrumented = false
)
