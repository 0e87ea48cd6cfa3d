package lru

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCache reads the input as a program, two bytes to a call, and runs it on the cache and on the model. The first byte
// chooses the form.
func FuzzCache(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte("0sasbscsdgagbgzoaobdadbxxrbrecc"))
	f.Add([]byte("1sasbscsdgagbgzoaobdadbxxrbrecc"))
	f.Add([]byte("2sasbscsdgagbgzoaobdadbxxrbrecc"))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 400 {
			return
		}
		var got []event
		m := &model{capacity: 4}
		cfg := Config[int, int]{Capacity: 4, OnEvict: func(k, v int, r Reason) { got = append(got, event{k, v, r}) }}
		switch program[0] % 3 {
		case 1:
			cfg.Shards = 4
		case 2:
			m.maxWeight, cfg.MaxWeight = 9, 9
			cfg.Weigh = func(_, value int) int64 { return int64(value % 12) }
		}
		c := mustNew(t, cfg)
		for n := 1; n+1 < len(program); n += 2 {
			step(t, c, m, program[n], int(program[n+1])%16, n)
			require.Equal(t, m.log, got)
			require.Equal(t, m.stats, c.Stats())
			validate(t, c)
		}
	})
}

func step(t *testing.T, c *Cache[int, int], m *model, op byte, key, value int) {
	t.Helper()
	e := modelEntry{key: key, value: value}
	if m.maxWeight != 0 {
		e.weight = int64(value % 12)
	}
	switch op % 8 {
	case 's' % 8:
		require.Equal(t, m.set(e), c.Set(key, value))
	case 'g' % 8:
		wantValue, wantOK := m.get(key)
		got, ok := c.Get(key)
		require.Equal(t, wantOK, ok)
		require.Equal(t, wantValue, got)
	case 'a' % 8:
		wantValue, wantLoaded := m.getOrSet(e)
		got, loaded := c.GetOrSet(key, value)
		require.Equal(t, wantLoaded, loaded)
		require.Equal(t, wantValue, got)
	case 'd' % 8:
		if i := m.find(key); i >= 0 {
			m.leave(i, Deleted)
		}
		c.Delete(key)
	case 'x' % 8:
		if len(m.entries) > 0 {
			m.leave(0, Deleted)
		}
		c.DeleteOldest()
	case 'r' % 8:
		m.capacity = 1 + key
		want := m.trim()
		evicted, err := c.Resize(1 + key)
		require.NoError(t, err)
		require.Equal(t, want, evicted)
	default:
		require.Equal(t, len(m.entries), c.Len())
	}
}
