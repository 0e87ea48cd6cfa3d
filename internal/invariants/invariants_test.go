package invariants

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheck(t *testing.T) {
	assert.NotPanics(t, func() { Check(nil) })
	assert.PanicsWithValue(t, "invariant violated: list is torn", func() { Check(errors.New("list is torn")) })
}
