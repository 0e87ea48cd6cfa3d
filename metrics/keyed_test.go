package metrics

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

func TestKeyedBound(t *testing.T) {
	k := must(NewKeyed[string](KeyedConfig{MaxKeys: 2}))
	k.Add("a", 5)
	k.Add("b", 0)
	k.Add("c", 7)
	k.Inc("d")
	k.Inc("a")
	assert.Equal(t, map[string]uint64{"a": 6, "b": 0}, collect(k.All()))
	n, ok := k.Get("c")
	assert.Zero(t, n)
	assert.False(t, ok)
	assert.Equal(t, Stats{Len: 2, Overflow: 8}, k.Stats())
	assert.True(t, k.Delete("a"))
	assert.False(t, k.Delete("a"))
	k.Inc("c")
	assert.Equal(t, map[string]uint64{"b": 0, "c": 1}, collect(k.All()))
	k.Clear()
	assert.Equal(t, Stats{Overflow: 8}, k.Stats(), "the overflow stays")
	k.Inc("z")
	n, ok = k.Get("z")
	assert.Equal(t, uint64(1), n)
	assert.True(t, ok)
}

func TestKeyedDefaultBound(t *testing.T) {
	var k Keyed[int]
	for i := range 10_001 {
		k.Inc(i)
	}
	assert.Equal(t, Stats{Len: 10_000, Overflow: 1}, k.Stats())
}

func TestKeyedTop(t *testing.T) {
	var k Keyed[string]
	for key, n := range map[string]uint64{"a": 3, "b": 9, "c": 1, "d": 7} {
		k.Add(key, n)
	}
	assert.Equal(t, []KeyCount[string]{{"b", 9}, {"d", 7}}, k.Top(2))
	assert.Len(t, k.Top(100), 4)
	assert.Len(t, k.Top(math.MaxInt), 4)
	assert.Nil(t, k.Top(0))
	assert.Nil(t, k.Top(-1))
}

func TestKeyedHostileKeys(t *testing.T) {
	var floats Keyed[float64]
	floats.Add(math.NaN(), 3)
	floats.Inc(0)
	floats.Inc(math.Copysign(0, -1))
	assert.Equal(t, Stats{Len: 1, Ignored: 1}, floats.Stats(), "0 and -0 are one key, NaN is none")
	_, ok := floats.Get(math.NaN())
	assert.False(t, ok)
	assert.False(t, floats.Delete(math.NaN()))
	type inside struct{ f float64 }
	var structs Keyed[inside]
	structs.Inc(inside{math.NaN()})
	assert.Equal(t, Stats{Ignored: 1}, structs.Stats())
	full := must(NewKeyed[float64](KeyedConfig{MaxKeys: 1}))
	full.Inc(1)
	full.Inc(math.NaN())
	assert.Equal(t, Stats{Len: 1, Ignored: 1}, full.Stats())
	var anything Keyed[any]
	assert.Panics(t, func() { anything.Get([]int{1}) }, "also before the first key")
	anything.Inc("a")
	for _, call := range []func(){
		func() { anything.Inc([]int{1}) },
		func() { anything.Get(map[int]int{}) },
		func() { anything.Delete(func() {}) },
	} {
		assert.Panics(t, call, "a key that cannot be hashed")
	}
	anything.Inc(math.NaN())
	anything.Inc("a")
	assert.Equal(t, Stats{Len: 1, Ignored: 1}, anything.Stats(), "no lock was held")
	assert.True(t, anything.Delete("a"))
}

func TestKeyedIterationBodyMayChangeIt(t *testing.T) {
	var k Keyed[int]
	for i := range 100 {
		k.Inc(i)
	}
	seen := 0
	for key := range k.All() {
		seen++
		k.Delete(key)
		k.Inc(key + 1000)
		k.Clear()
		if seen == 50 {
			break
		}
	}
	assert.Equal(t, 50, seen, "the range goes on over what it began with")
	assert.Zero(t, k.Len())
}

// The table finds every entry and nothing else, whatever the hashes are: all equal, of one bit, good.
func TestTableWithBadHashes(t *testing.T) {
	for name, hash := range map[string]func(int) uint64{
		"constant": func(int) uint64 { return 7 },
		"zero":     func(int) uint64 { return 0 },
		"one bit":  func(k int) uint64 { return uint64(k & 1) },
		"high":     func(k int) uint64 { return uint64(k) << 60 },
		"largest":  func(int) uint64 { return math.MaxUint64 },
	} {
		var table table[int, int]
		rng, model := rand.New(rand.NewPCG(1, 1)), map[int]int{}
		for i := range 500 {
			k := rng.IntN(60)
			e := table.current().find(hash(k), k)
			want, ok := model[k]
			require.Equal(t, ok, e != nil, "%s: key %d", name, k)
			switch {
			case ok && rng.IntN(2) == 0:
				require.Equal(t, want, e.value)
				require.True(t, table.deleteLocked(hash(k), k))
				delete(model, k)
			case !ok:
				require.False(t, table.deleteLocked(hash(k), k))
				table.insertLocked(&entry[int, int]{hash: hash(k), key: k, value: i})
				model[k] = i
			}
			require.NoError(t, table.validateLocked(), name)
			require.Equal(t, len(model), table.lenLocked())
		}
	}
}

// The key that equals the tombstone's is a key like any other.
func TestTableTombstoneIsNoEntry(t *testing.T) {
	var table table[int, int]
	table.insertLocked(&entry[int, int]{hash: 0, key: 0, value: 1})
	table.insertLocked(&entry[int, int]{hash: 0, key: 5, value: 2})
	require.True(t, table.deleteLocked(0, 0))
	assert.Nil(t, table.current().find(0, 0))
	assert.False(t, table.deleteLocked(0, 0))
	assert.Equal(t, 2, table.current().find(0, 5).value)
}

func TestKeyedModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(t, "MaxKeys")
		k := must(NewKeyed[int8](KeyedConfig{MaxKeys: limit}))
		model, overflow := map[int8]uint64{}, uint64(0)
		key := rapid.Int8Range(0, 40)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				key, n := key.Draw(t, "key"), rapid.Uint64Range(0, 5).Draw(t, "n")
				k.Add(key, n)
				if _, ok := model[key]; ok || len(model) < limit {
					model[key] += n
				} else {
					overflow += n
				}
			},
			"delete": func(t *rapid.T) {
				key := key.Draw(t, "key")
				_, ok := model[key]
				require.Equal(t, ok, k.Delete(key))
				delete(model, key)
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					k.Clear()
					clear(model)
				}
			},
			"get": func(t *rapid.T) {
				key := key.Draw(t, "key")
				n, ok := k.Get(key)
				want, has := model[key]
				require.Equal(t, has, ok)
				require.Equal(t, want, n)
			},
			"": func(t *rapid.T) {
				require.Equal(t, model, collect(k.All()))
				require.Equal(t, Stats{Len: len(model), Overflow: overflow}, k.Stats())
				top := k.Top(3)
				require.Len(t, top, min(3, len(model)))
				for i := 1; i < len(top); i++ {
					require.GreaterOrEqual(t, top[i-1].Count, top[i].Count)
				}
				require.NoError(t, k.index.validateLocked())
			},
		})
	})
}

// Two concurrent Incs of the same new key make one entry, and both count.
func TestLitmusKeyed(t *testing.T) {
	var all []*Keyed[int]
	inc := func(k *Keyed[int]) int {
		k.Inc(7)
		return k.Len()
	}
	seen := litmus.Run(5000, func() *Keyed[int] {
		k := new(Keyed[int])
		all = append(all, k)
		return k
	}, inc, inc)
	assert.Equal(t, map[litmus.Outcome]int{{A: 1, B: 1}: 5000}, seen)
	for _, k := range all {
		require.Equal(t, map[int]uint64{7: 2}, collect(k.All()))
	}
}

// Whatever happens at the same time, what is added is in a count that was kept, or in the overflow.
func TestHammerKeyed(t *testing.T) {
	const workers, rounds = 8, 4000
	k := must(NewKeyed[int](KeyedConfig{MaxKeys: 30}))
	hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
		k.Inc(rng.IntN(60))
		if n := k.Len(); n > 30 {
			return fmt.Errorf("%d keys", n)
		}
		return nil
	})
	sum := k.Stats().Overflow
	for _, n := range k.All() {
		sum += n
	}
	assert.Equal(t, uint64(workers*rounds), sum)
	assert.Equal(t, 30, k.Len())
}

func TestHammerKeyedWithDeletes(t *testing.T) {
	k := must(NewKeyed[int](KeyedConfig{MaxKeys: 8}))
	hammer.Run(t, 8, 3000, func(_ int, rng *rand.Rand) error {
		key := rng.IntN(16)
		switch rng.IntN(6) {
		case 0:
			k.Delete(key)
		case 1:
			for key := range k.All() {
				if key < 0 || key >= 16 {
					return errors.New("a key that nobody added")
				}
			}
			k.Top(3)
		case 2:
			if rng.IntN(20) == 0 {
				k.Clear()
			}
		default:
			k.Inc(key)
		}
		if n := k.Len(); n > 8 {
			return fmt.Errorf("%d keys", n)
		}
		return nil
	})
	require.NoError(t, k.index.validateLocked())
}
