//go:build chaos

package circuitbreaker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// The gaps are there: the histories pass through them.
func TestLinearizableMeetsTheGaps(t *testing.T) {
	TestLinearizable(t)
	for _, point := range []string{
		"success found a seal or the end of a bucket", "one bucket sealed", "sealed, not yet published",
		"published, not yet reported", "counted, not yet judged", "verdict found, not yet sealed", "slot seen, not yet taken",
	} {
		require.NotZero(t, chaos.Visits("circuitbreaker: "+point), point)
	}
}
