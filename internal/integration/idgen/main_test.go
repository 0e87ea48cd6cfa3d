// Package idgen tests package idgen where it meets other processes and a real Redis: restarts, kill -9, SIGSTOP, failover.
package idgen

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test program starts copies of itself as the processes that hold node numbers.
func TestMain(m *testing.M) {
	if role := os.Getenv("IDGEN_ROLE"); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}
