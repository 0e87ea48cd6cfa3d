package process

import (
	"fmt"
	"runtime"
	"testing"
)

// Recorder is a testing.TB that notes how a test would have ended, for tests of
// what skips and fails: run the code in a goroutine of its own, since Fatalf
// ends it.
type Recorder struct {
	testing.TB
	SkipText, FatalText string
}

// Helper does nothing.
func (r *Recorder) Helper() {}

// Skipf notes the text and goes on.
func (r *Recorder) Skipf(format string, args ...any) { r.SkipText = fmt.Sprintf(format, args...) }

// Fatalf notes the text and ends the goroutine.
func (r *Recorder) Fatalf(format string, args ...any) {
	r.FatalText = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
