//go:build chaos

package rwlock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// requirePoints asks that the gaps were there that the histories are meant to judge.
func requirePoints(t *testing.T) {
	t.Helper()
	for _, point := range []string{
		"reader counted, not yet queued", "last reader gone, not yet handed over", "writer saw it busy, not yet queued",
		"queued, not yet waiting", "granted, not yet woken", "unlock found company", "about to grant",
		"cancelled, still queued", "downgrade found company", "state read, not yet swapped",
	} {
		require.NotZero(t, chaos.Visits("rwlock: "+point), point)
	}
}
