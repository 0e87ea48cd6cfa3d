package ratelimit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// scenario drives a table with the bytes of a program, beside a Go map. The hashes are few and stand at the ends of the
// table, so that clusters collide and go round the end.
func scenario(t require.TestingT, program []byte) {
	const most = 40
	s := &shard[byte]{most: most, rules: newRules(FixedWindow, perSecond(1)), limit: perSecond(1)}
	reference := map[byte]int64{}
	for _, op := range program {
		key := op & 63
		hash := []uint64{0, 1 << 63, 1<<64 - 1<<58, 1<<64 - 1}[key&3]>>(key>>4&1) | used
		switch i := s.table.find(hash, key); {
		case i >= 0 && op&64 != 0:
			require.Equal(t, reference[key], s.table.slots[i].state.count)
			s.table.remove(i)
			delete(reference, key)
		case i >= 0:
			require.Equal(t, key, s.table.slots[i].key)
		default:
			require.NotContains(t, reference, key)
			if len(reference) < most {
				s.table.insert(hash, key, most).state.count = int64(op) + 1
				reference[key] = int64(op) + 1
			}
		}
		if op&128 != 0 {
			s.fit()
		}
		require.NoError(t, s.damage())
		require.Equal(t, len(reference), s.table.len)
		require.LessOrEqual(t, len(s.table.slots), most*4/3+1)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a table with a handful of keys, of which some go"))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i*37 + 11)
	}
	f.Add(every)
	f.Fuzz(func(t *testing.T, program []byte) { scenario(t, program) })
}
