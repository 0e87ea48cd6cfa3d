package bounds

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errBase = errors.New("cache: invalid config")

func TestCapacity(t *testing.T) {
	for capacity, want := range map[int]string{
		0:           "cache: invalid config: Capacity must be at least 1, got 0",
		-1:          "cache: invalid config: Capacity must be at least 1, got -1",
		math.MinInt: "",
		11:          "cache: invalid config: Capacity must be at most 10, got 11",
	} {
		err := Capacity(errBase, capacity, 10)
		require.ErrorIs(t, err, errBase)
		if want != "" {
			require.EqualError(t, err, want)
		}
	}
	require.NoError(t, Capacity(errBase, 1, 10))
	assert.NoError(t, Capacity(errBase, 10, 10))
}

func TestWeights(t *testing.T) {
	require.EqualError(t, Weights(errBase, -1, true), "cache: invalid config: MaxWeight must not be negative, got -1")
	require.EqualError(t, Weights(errBase, -1, false), "cache: invalid config: MaxWeight must not be negative, got -1")
	require.EqualError(t, Weights(errBase, 0, true), "cache: invalid config: MaxWeight must be at least 1 with Weigh, got 0")
	require.EqualError(t, Weights(errBase, 1, false), "cache: invalid config: Weigh must be set with MaxWeight, got nil")
	require.NoError(t, Weights(errBase, 0, false))
	assert.NoError(t, Weights(errBase, math.MaxInt64, true))
}
