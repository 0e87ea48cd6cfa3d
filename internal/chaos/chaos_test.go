//go:build chaos

package chaos

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPointCountsVisits(t *testing.T) {
	assert.Zero(t, Visits("never"))
	for range 3 {
		Point("counted")
	}
	assert.Equal(t, uint64(3), Visits("counted"))
}

// On one processor the other goroutine can run only when this one yields.
func TestPointYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran atomic.Bool
	go ran.Store(true)
	for range 1000 { // 0.75^1000: a yield is certain
		Point("yield")
	}
	assert.True(t, ran.Load())
}
