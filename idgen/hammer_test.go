package idgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

const workers = 8

// bitset marks the positions of ids between two; a second mark of one is a duplicate.
type bitset []uint64

func (b bitset) mark(n uint64) bool {
	word, bit := n/64, uint64(1)<<(n%64)
	fresh := b[word]&bit == 0
	b[word] |= bit
	return fresh
}

// Eight goroutines take ten million ids each, in batches, from a clock that stands still: all differ, and those of each
// goroutine increase. muyo/sno v1.2.1, with time and sequence in two words, gave 34 duplicates in 13.9 million.
func TestRegressionNoIDIsGivenTwice(t *testing.T) {
	const perStep = 5000
	synctest.Test(t, func(t *testing.T) {
		l := Layout{TimeBits: 36, NodeBits: 2, SequenceBits: 10}
		lease, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{}, Nodes: 4, Guard: time.Hour})
		require.NoError(t, err)
		defer lease.Close()
		g := newGen(t, Config{Layout: l, Lease: lease, MaxAhead: time.Hour})
		time.Sleep(50 * time.Second) // a lease of 30 s is extended every 10
		first := g.last.Load()
		first = max(first, g.tick(g.at(g.elapsed()))<<l.SequenceBits)
		marks := make([]bitset, workers)
		hammer.Run(t, workers, manyIDs/perStep, func(worker int, rng *rand.Rand) error {
			if marks[worker] == nil {
				marks[worker] = make(bitset, workers*manyIDs/64+1)
			}
			var ids [perStep]ID
			n, err := g.NextN(t.Context(), ids[:])
			if err != nil {
				return err
			}
			for i, id := range ids[:n] {
				if i > 0 && id <= ids[i-1] {
					return fmt.Errorf("%d after %d", id, ids[i-1])
				}
				position := uint64(id) >> (l.NodeBits + l.SequenceBits) << l.SequenceBits
				position |= uint64(id) & (1<<l.SequenceBits - 1)
				if !marks[worker].mark(position - first) {
					return fmt.Errorf("%d twice", id)
				}
			}
			return nil
		})
		for word := range marks[0] {
			var all uint64
			for _, m := range marks {
				if all&m[word] != 0 {
					t.Fatal("two goroutines have one id")
				}
				all |= m[word]
			}
		}
	})
}

// One at a time on the real clock, with ticks that are used up, and waits.
func TestHammerNext(t *testing.T) {
	g := newGen(t, Config{Layout: Layout{TimeBits: 41, NodeBits: 10, SequenceBits: 8}, MaxAhead: 5 * ms})
	all := make([][]ID, workers)
	hammer.Run(t, workers, 800, func(worker int, rng *rand.Rand) error {
		switch rng.IntN(4) {
		case 0:
			id, err := g.TryNext()
			if err == nil {
				all[worker] = append(all[worker], id)
			} else if !errors.Is(err, ErrExhausted) {
				return err
			}
		case 1:
			ids := make([]ID, rng.IntN(20))
			n, err := g.NextN(t.Context(), ids)
			all[worker] = append(all[worker], ids[:n]...)
			return err
		case 2:
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(2000))*time.Microsecond)
			defer cancel()
			id, err := g.Next(ctx)
			if err == nil {
				all[worker] = append(all[worker], id)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
		default:
			id, err := g.Next(t.Context())
			all[worker] = append(all[worker], id)
			g.Stats()
			return err
		}
		return nil
	})
	seen := map[ID]bool{}
	for _, ids := range all {
		require.True(t, slices.IsSorted(ids))
		for _, id := range ids {
			require.False(t, seen[id])
			seen[id] = true
		}
	}
}

// Two calls race for the last id of a tick, many times: exactly one gets it.
func TestLastIDOfATickIsGivenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := func() *Generator {
			g, err := New(Config{Layout: tiny})
			if err != nil {
				panic(err)
			}
			g.last.Store((g.tick(g.at(0)) << 1))
			return g
		}
		try := func(g *Generator) int {
			if _, err := g.TryNext(); err != nil {
				return 0
			}
			return 1
		}
		batch := func(g *Generator) int {
			ctx, cancel := context.WithTimeout(context.Background(), 1)
			defer cancel()
			n, _ := g.NextN(ctx, make([]ID, 4))
			return n
		}
		for _, second := range []func(*Generator) int{try, batch} {
			seen := litmus.Run(2000, fresh, try, second)
			assert.Equal(t, 2000, seen[litmus.Outcome{A: 1}]+seen[litmus.Outcome{B: 1}], "%v", seen)
		}
	})
}

// The wall clock is stepped about while eight goroutines make ids and somebody reads Stats.
func TestHammerWithAWildClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		wall := &wallClock{}
		g, err := NewWithWall(Config{MaxAhead: time.Second}, wall.now)
		require.NoError(t, err)
		var mu sync.Mutex
		seen := map[ID]bool{}
		hammer.Run(t, workers, 1500, func(worker int, rng *rand.Rand) error {
			if rng.IntN(20) == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
			}
			if worker == 0 {
				wall.step(time.Duration(rng.Int64N(int64(30*time.Second))) - 15*time.Second)
				g.Stats()
			}
			id, err := g.TryNext()
			switch {
			case errors.Is(err, ErrClockBackwards) || errors.Is(err, ErrExhausted):
				return nil
			case err != nil:
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[id] {
				return fmt.Errorf("%d twice", id)
			}
			seen[id] = true
			return nil
		})
		assert.NotEmpty(t, seen)
	})
}

// A lease that is extended, fails, and is closed while generators use it: no id after Close has returned.
func TestHammerLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			store := &fake{extend: func(_ context.Context, n int, _ time.Duration) error {
				if n%3 == 0 {
					return errDown
				}
				return nil
			}}
			l := lease(t, store)
			g := newGen(t, Config{Lease: l})
			time.Sleep(time.Second)
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					for {
						if _, err := g.Next(t.Context()); err != nil {
							assert.ErrorIs(t, err, ErrLeaseLost)
							return
						}
						time.Sleep(700 * ms)
					}
				})
			}
			time.Sleep(20 * time.Second)
			_ = l.Close()
			_, err := g.TryNext()
			require.ErrorIs(t, err, ErrLeaseLost)
			group.Wait()
		}
	})
}

func TestNoAllocations(t *testing.T) {
	g := newGen(t, Config{Layout: wide})
	l, err := NewLease(t.Context(), LeaseConfig{Store: &MemoryStore{}, Nodes: 4})
	require.NoError(t, err)
	defer l.Close()
	leased := newGen(t, Config{Lease: l, Layout: wide})
	used := newGen(t, Config{Layout: Layout{Unit: time.Minute, TimeBits: 30, SequenceBits: 1}})
	_, err = g.Next(t.Context())
	require.NoError(t, err)
	_, err = leased.Next(t.Context())
	require.NoError(t, err)
	var (
		uuids     UUIDGenerator
		batch     = make([]ID, 100)
		uuidBatch = make([]UUID, 100)
		room      = make([]byte, 0, 64)
		ctx       = t.Context()
		id        = ID(1 << 62)
		b32, b62  = id.Base32(), id.Base62()
		dec, u    = id.String(), uuids.Next()
		text      = u.String()
		failed    error
		sinkID    ID
		sinkText  string
	)
	fail := func(err error) {
		if err != nil {
			failed = err
		}
	}
	for name, call := range map[string]func(){
		"Next":            func() { _, err := g.Next(ctx); fail(err) },
		"TryNext":         func() { _, err := g.TryNext(); fail(err) },
		"NextN":           func() { _, err := g.NextN(ctx, batch); fail(err) },
		"Next, leased":    func() { _, err := leased.Next(ctx); fail(err) },
		"TryNext, used":   func() { _, _ = used.TryNext() },
		"Stats":           func() { g.Stats() },
		"UUID":            func() { u = uuids.Next() },
		"UUIDs":           func() { uuids.NextN(uuidBatch) },
		"Parse":           func() { sinkID, err = Parse(dec); fail(err) },
		"ParseBase32":     func() { sinkID, err = ParseBase32(b32); fail(err) },
		"ParseBase62":     func() { sinkID, err = ParseBase62(b62); fail(err) },
		"ParseUUID":       func() { u, err = ParseUUID(text); fail(err) },
		"Decode":          func() { sinkID = ID(g.layout.Decode(id).Node) },
		"FirstAt":         func() { sinkID = g.layout.FirstAt(g.base) },
		"Compose":         func() { sinkID, err = g.layout.Compose(Parts{Time: g.base}); fail(err) },
		"AppendText":      func() { room, _ = id.AppendText(room[:0]) },
		"UUID.AppendText": func() { room, _ = u.AppendText(room[:0]) },
	} {
		if instrumented && (name == "UUID" || name == "UUIDs") {
			continue // under -race the buffer of crypto/internal/sysrand.Read escapes: -gcflags=-m says "leaking param" only there
		}
		assert.Zero(t, testing.AllocsPerRun(100, call), name)
		require.NoError(t, failed, name)
	}
	for name, call := range map[string]func(){
		"String": func() { sinkText = id.String() }, "Base32": func() { sinkText = id.Base32() }, "Base62": func() { sinkText = id.Base62() },
		"UUID.String": func() { sinkText = u.String() },
	} {
		assert.Equal(t, 1, int(testing.AllocsPerRun(100, call)), name)
	}
	_, _ = sinkID, sinkText
}

// The word that every id moves shares its cache line with nothing, wherever the generator is allocated.
func TestLastHasItsOwnCacheLine(t *testing.T) {
	typ := reflect.TypeFor[Generator]()
	last, ok := typ.FieldByName("last")
	require.True(t, ok)
	assert.GreaterOrEqual(t, typ.Size()-last.Offset, uintptr(cacheLine))
	waits, ok := typ.FieldByName("waits")
	require.True(t, ok)
	assert.GreaterOrEqual(t, last.Offset-waits.Offset-unsafe.Sizeof(uint64(0)), uintptr(cacheLine)-8)
}

// vet reports a copy of what must not be copied, and the compiler a comparison.
func TestVetReportsCopies(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[Generator](), reflect.TypeFor[Lease](), reflect.TypeFor[MemoryStore](), reflect.TypeFor[FileStore](),
		reflect.TypeFor[UUIDGenerator](),
	} {
		assert.False(t, typ.Comparable(), typ)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Generator](), reflect.TypeFor[UUIDGenerator]()} {
		last, ok := typ.FieldByName("last")
		require.True(t, ok)
		mark, ok := last.Type.FieldByName("_")
		require.True(t, ok)
		assert.Implements(t, (*sync.Locker)(nil), reflect.New(mark.Type).Interface())
	}
}
