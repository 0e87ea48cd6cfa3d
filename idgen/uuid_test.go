package idgen

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// The example of RFC 9562, appendix A.6.
const rfcUUID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

func TestParseUUIDOfTheRFC(t *testing.T) {
	for _, text := range []string{rfcUUID, strings.ToUpper(rfcUUID)} {
		u, err := ParseUUID(text)
		require.NoError(t, err)
		assert.Equal(t, rfcUUID, u.String())
		assert.Equal(t, "2022-02-22T19:22:22Z", u.Time().Format(time.RFC3339Nano))
	}
	u, err := ParseUUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
	require.NoError(t, err, "any version")
	assert.Equal(t, 10889, u.Time().Year())
}

func TestParseUUIDRefuses(t *testing.T) {
	for _, text := range []string{
		"", "x", "{" + rfcUUID + "}", "urn:uuid:" + rfcUUID, strings.ReplaceAll(rfcUUID, "-", ""), rfcUUID[:35], rfcUUID + "0",
		"017f22e279b0-7cc3-98c4-dc0c0c07398f--", "g17f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398\xff",
		"017f22e2+79b0-7cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398:", strings.Repeat("-", 36),
		"017f22e2-79b0+7cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3+98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-98c4+dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398@", "017f22e2-79b0-7cc3-98c4-dc0c0c07398`", "017f22e2-79b0-7cc3-98c4-dc0c0c07398/",
	} {
		u, err := ParseUUID(text)
		require.ErrorIs(t, err, ErrFormat, text)
		assert.Zero(t, u)
		u[0] = 9
		require.ErrorIs(t, u.UnmarshalText([]byte(text)), ErrFormat)
		require.ErrorIs(t, u.Scan(text), ErrFormat)
		assert.Equal(t, UUID{9}, u, "unchanged")
	}
}

func TestUUIDText(t *testing.T) {
	var g UUIDGenerator
	u := g.Next()
	text, err := json.Marshal(map[UUID]UUID{u: u})
	require.NoError(t, err)
	assert.Equal(t, `{"`+u.String()+`":"`+u.String()+`"}`, string(text))
	var back map[UUID]UUID
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, map[UUID]UUID{u: u}, back)
	text, err = u.AppendText([]byte("x"))
	require.NoError(t, err)
	assert.Equal(t, "x"+u.String(), string(text))
}

func TestUUIDSQL(t *testing.T) {
	var g UUIDGenerator
	u := g.Next()
	v, err := u.Value()
	require.NoError(t, err)
	assert.Equal(t, u.String(), v)
	for _, src := range []any{u.String(), []byte(u.String()), u[:]} {
		var back UUID
		require.NoError(t, back.Scan(src))
		assert.Equal(t, u, back)
	}
	for _, src := range []any{nil, int64(7), "", string(u[:]), u[:15], []byte(nil), u, true} {
		back := UUID{9}
		require.ErrorIs(t, back.Scan(src), ErrFormat, "%T", src)
		assert.Equal(t, UUID{9}, back)
	}
}

// The bits stand where RFC 9562 wants them, and time and fraction are those of the clock.
func TestUUIDBits(t *testing.T) {
	g := &UUIDGenerator{now: func() (int64, int64) { return 1645557742, 999_999_999 }}
	seen := map[byte]bool{}
	for i := range 300 {
		u := g.Next()
		ms, sub := u.Time(), uint16(u[6]&0xF)<<12|uint16(u[7])<<4|uint16(u[8]>>2&0xF)
		require.Equal(t, byte(7), u[6]>>4, "version")
		require.Equal(t, byte(2), u[8]>>6, "variant")
		if i == 0 {
			assert.Equal(t, "2022-02-22T19:22:22.999Z", ms.Format(time.RFC3339Nano))
			assert.Equal(t, uint16(65535), sub, "999,999 of 1,000,000 ns are the last of 65,536 parts")
		} else {
			assert.Equal(t, "2022-02-22T19:22:23Z", ms.Format(time.RFC3339Nano))
			assert.Equal(t, uint16(i-1), sub, "the carry goes into the time")
		}
		seen[u[15]] = true
	}
	assert.Greater(t, len(seen), 100, "random bits")
	half := &UUIDGenerator{now: func() (int64, int64) { return 1, 2_500_000 }}
	u := half.Next()
	assert.Equal(t, int64(1002), u.Time().UnixMilli())
	assert.Equal(t, []byte{0x78, 0x00}, u[6:8], "half a millisecond")
}

// All 58 random bits vary, also in a batch.
func TestUUIDRandomBits(t *testing.T) {
	var g UUIDGenerator
	dst := make([]UUID, 3*uuidBatch+2)
	g.NextN(dst[1:])
	dst[0] = g.Next()
	or, and := [16]byte{}, [16]byte{}
	for i := range and {
		and[i] = 0xFF
	}
	for _, u := range dst {
		for i := range u {
			or[i] |= u[i]
			and[i] &= u[i]
		}
	}
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 7), or[9:])
	assert.Equal(t, make([]byte, 7), and[9:])
	assert.Equal(t, byte(3), or[8]&3)
	assert.Zero(t, and[8]&3)
	tails := map[[8]byte]bool{}
	for _, u := range dst {
		tails[[8]byte(u[8:])] = true
	}
	assert.Len(t, tails, len(dst), "no two have the same tail")
}

// A clock that stands still, goes back an hour, or stands before 1970 changes nothing of the order (simonw/llm#1641 has == for
// <= there, python/cpython#138862 a counter that runs ahead of the clock).
func TestRegressionUUIDOrderWhateverTheClockDoes(t *testing.T) {
	times := []int64{1000, 1000, 1000, 1000 - 3600, -5, 1000, 1001, 999, 5000, 4999}
	i := 0
	g := &UUIDGenerator{now: func() (int64, int64) { i++; return times[i%len(times)], 0 }}
	var last UUID
	for range 1000 {
		u := g.Next()
		require.Positive(t, bytes.Compare(u[:], last[:]))
		last = u
	}
	assert.Equal(t, int64(5_000_000), last.Time().UnixMilli(), "a thousand units of 15 ns do not make a millisecond")
	before := &UUIDGenerator{now: func() (int64, int64) { return -1, 5 }}
	assert.Zero(t, before.Next().Time().UnixMilli())
}

func TestUUIDNextN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g UUIDGenerator
		g.NextN(nil)
		assert.Zero(t, g.last.Load(), "nothing is taken for nothing")
		for _, n := range []int{1, 2, uuidBatch, uuidBatch + 1, 1000} {
			before := g.last.Load()
			dst := make([]UUID, n)
			g.NextN(dst)
			assert.True(t, slices.IsSortedFunc(dst, func(a, b UUID) int { return bytes.Compare(a[:], b[:]) }))
			assert.Equal(t, g.last.Load(), max(before, g.clock()-1)+uint64(n))
			u := g.Next()
			assert.Positive(t, bytes.Compare(u[:], dst[n-1][:]))
		}
		assert.Equal(t, time.Now().UTC(), g.Next().Time(), "a bubble's time")
	})
}

func TestHammerUUID(t *testing.T) {
	const workers, rounds = 8, 20_000
	var g UUIDGenerator
	var all [workers][]UUID
	var total atomic.Int64
	hammer.Run(t, workers, rounds, func(worker int, rng *rand.Rand) error {
		if rng.IntN(10) > 0 {
			all[worker] = append(all[worker], g.Next())
		} else {
			batch := make([]UUID, 3)
			g.NextN(batch)
			all[worker] = append(all[worker], batch...)
		}
		return nil
	})
	stamps := map[[9]byte]bool{} // time and fraction, without the random bits: what the generator itself keeps apart
	for _, us := range all {
		require.True(t, slices.IsSortedFunc(us, func(a, b UUID) int { return bytes.Compare(a[:], b[:]) }))
		for _, u := range us {
			u[8] &^= 3
			stamps[[9]byte(u[:])] = true
		}
		total.Add(int64(len(us)))
	}
	assert.Len(t, stamps, int(total.Load()))
}
