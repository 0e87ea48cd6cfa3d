//go:build !purego

package stripe

import "unsafe"

// hint returns a number whose high bits differ between goroutines that run at
// the same time: a hash of where the stack is. The smallest stack has 2 KiB, so
// that the 11 low bits say nothing about the goroutine. The address is never
// turned back into a pointer; a stack that moves changes the hint, which is
// only a hint.
func hint() uint64 {
	var here byte
	return uint64(uintptr(unsafe.Pointer(&here))>>11) * spread
}
