package boundedqueue

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func newQueue[T any](tb testing.TB, cfg Config[T]) *Queue[T] {
	tb.Helper()
	q, err := New(cfg)
	require.NoError(tb, err)
	return q
}

func newPriority(tb testing.TB, capacity int) *Priority[int] {
	tb.Helper()
	q, err := NewPriority[int](capacity)
	require.NoError(tb, err)
	return q
}
