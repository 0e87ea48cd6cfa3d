package ctxerr

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	why := errors.New("the server drains")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, context.Canceled, Of(cancelled))

	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	assert.Equal(t, context.DeadlineExceeded, Of(late))

	told, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(why)
	require.ErrorIs(t, Of(told), context.Canceled)
	require.ErrorIs(t, Of(told), why)
	require.EqualError(t, Of(told), "context canceled: the server drains")

	wrapped, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(fmt.Errorf("%w: the server drains", context.Canceled))
	require.EqualError(t, Of(wrapped), "context canceled: the server drains", "a cause that matches both is enough")
}

// silent is done and does not say why.
type silent struct{ context.Context }

func (silent) Err() error { return nil }

func TestOfContextWithoutReason(t *testing.T) {
	assert.Equal(t, context.Canceled, Of(silent{t.Context()}))
}
