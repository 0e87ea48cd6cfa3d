package tokenbucket

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWaitEndsAtTheExactInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Config{Rate: PerSecond(10), Burst: 1})
		require.NoError(t, err)
		start := time.Now()
		for i := range 5 {
			require.NoError(t, b.Wait(t.Context()))
			assert.Equal(t, time.Duration(i)*100*time.Millisecond, time.Since(start))
		}
	})
}
