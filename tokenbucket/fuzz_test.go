package tokenbucket

import (
	"encoding/binary"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reference is a bucket in rational numbers without a queue.
type reference struct {
	level, rate *big.Rat
	burst       int64
}

func (r *reference) rise(d time.Duration) {
	r.level.Add(r.level, new(big.Rat).Mul(r.rate, rat(int64(d))))
	r.cap()
}

func (r *reference) cap() {
	if r.level.Cmp(rat(r.burst)) > 0 {
		r.level.SetInt64(r.burst)
	}
}

// within reports whether the level is at least n, and whether it is so also a nanosecond earlier and later.
func (r *reference) within(n int64) (yes, sure bool) {
	diff := new(big.Rat).Sub(r.level, rat(n))
	return diff.Sign() >= 0, r.exact() || new(big.Rat).Abs(diff).Cmp(r.rate) > 0
}

func (r *reference) exact() bool { return r.rate.Num().Cmp(big.NewInt(10)) <= 0 }

// FuzzBucket runs a program of sleeps, takes and returns, of any size, on any limit: each answer is that of the exact
// bucket, and no input makes it panic.
func FuzzBucket(f *testing.F) {
	word := func(ns ...int64) (program []byte) {
		for _, n := range ns {
			program = binary.BigEndian.AppendUint64(program, uint64(n))
		}
		return program
	}
	f.Add(int64(3), int64(time.Second), int64(3), word(0, 3, 1, 333_333_333, 0, 1, 1, 1, 0, 1))
	f.Add(int64(13), int64(time.Second), int64(2), word(2, -1, 0, 2, 1, int64(10*year), 0, 3))
	f.Add(int64(10), int64(1), int64(1<<61), word(0, 1<<61, 3, 1<<62, 1, int64(year), 2, 5))
	f.Fuzz(func(t *testing.T, tokens, per, burst int64, program []byte) {
		synctest.Test(t, func(t *testing.T) {
			b, err := New(Config{Rate: Rate{tokens, time.Duration(per)}, Burst: burst})
			if err != nil {
				require.ErrorIs(t, err, ErrConfig)
				return
			}
			burst = b.Stats().Burst
			ref := &reference{level: rat(burst), burst: burst, rate: new(big.Rat).SetFrac64(tokens, per)}
			for ; len(program) >= 16 && b.elapsed() < 15*year; program = program[16:] {
				runFuzzed(t, b, ref, binary.BigEndian.Uint64(program)%4, int64(binary.BigEndian.Uint64(program[8:])))
			}
		})
	})
}

func runFuzzed(t *testing.T, b *Bucket, ref *reference, op uint64, n int64) {
	switch op {
	case 0:
		got := b.AllowN(n)
		want, sure := ref.within(n)
		if n > 0 && n <= ref.burst && sure {
			require.Equal(t, want, got, "AllowN(%d) with %v", n, ref.level)
		}
		require.True(t, !got || n >= 0 && n <= ref.burst)
		if got {
			ref.level.Sub(ref.level, rat(n))
		}
	case 1:
		d := time.Duration(uint64(n) % uint64(10*year))
		time.Sleep(d)
		ref.rise(d)
	case 2:
		got := b.AllowUpTo(n)
		require.True(t, got == 0 || got <= n)
		has, sure := ref.within(got)
		require.True(t, has || !sure || got == 0, "AllowUpTo(%d) = %d with %v", n, got, ref.level)
		ref.level.Sub(ref.level, rat(got))
	case 3:
		b.Return(n)
		ref.level.Add(ref.level, rat(max(n, 0)))
		ref.cap()
	}
	require.GreaterOrEqual(t, b.Tokens(), int64(0))
	require.LessOrEqual(t, b.Tokens(), ref.burst)
}
