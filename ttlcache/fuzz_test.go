package ttlcache

import (
	"testing"
	"testing/synctest"
)

// FuzzCache reads the input as a program, three bytes to a call, and runs it on the cache and on the model. The first byte
// chooses the configuration.
func FuzzCache(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 300 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(machineConfig(int(program[0]) % 128))
			for n := 1; n+2 < len(program); n += 3 {
				m.step(t, int(program[n]), int(program[n+1])%6, int(program[n+2])%60)
				m.compare(t)
			}
			m.cache.Clear()
		})
	})
}
