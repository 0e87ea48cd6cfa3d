package rwlock

import (
	"testing"
	"testing/synctest"
)

// FuzzRWLock runs a program of two bytes an operation; the first byte is the configuration. The programs saved in
// testdata are named after what happens in them.
func FuzzRWLock(f *testing.F) {
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			m, err := newMachine(modelConfigs[int(program[0])%len(modelConfigs)])
			if err != nil {
				t.Fatal(err)
			}
			for i := 1; i+1 < len(program); i += 2 {
				if err := m.step(program[i], program[i+1]); err != nil {
					t.Fatalf("operation %d: %v", i/2, err)
				}
			}
			if err := m.finish(); err != nil {
				t.Fatal(err)
			}
		})
	})
}
