//go:build race || chaos || invariants

package idgen

const (
	manyLeases = 5_000
	manyIDs    = 300_000

	instrumented = true
)
