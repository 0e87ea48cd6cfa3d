//go:build !chaos

package chaos

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPointIsFree(t *testing.T) {
	assert.False(t, Enabled)
	assert.Zero(t, testing.AllocsPerRun(100, func() { Point("free") }))
}
