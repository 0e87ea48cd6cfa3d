package tokenunits

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzAxis compares Check with its rational definition and then, for a valid limit, all functions of the axis.
func FuzzAxis(f *testing.F) {
	f.Add(int64(3), int64(time.Second), int64(3), int64(time.Hour), int64(5))
	f.Add(int64(300_000_007), int64(time.Second), int64(1), int64(Horizon), int64(1))
	f.Add(int64(10), int64(1), int64(3_153_600_000_000_000_000), int64(Horizon+1), int64(-1))
	f.Fuzz(func(t *testing.T, tokens, per, burst, elapsed, other int64) {
		require.Equal(t, valid(tokens, time.Duration(per), burst), Check(tokens, time.Duration(per), burst) == nil)
		if !valid(tokens, time.Duration(per), burst) {
			return
		}
		verifyAxis(t, tokens, time.Duration(per), burst, time.Duration(elapsed))
		a := NewAxis(tokens, time.Duration(per), burst)
		if valid(other, time.Duration(per), burst) {
			verifyConvert(t, NewAxis(other, time.Duration(per), burst), a, a.Level(a.At(time.Duration(other)), a.At(time.Duration(elapsed))))
		}
	})
}
