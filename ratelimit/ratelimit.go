// Package ratelimit limits events per key, such as requests per client, in
// bounded memory.
//
//	l, err := ratelimit.New(ratelimit.Config[string]{
//		Limit: ratelimit.Limit{Rate: tokenbucket.PerSecond(10), Burst: 30},
//	})
//	if err != nil { ... }
//	if !l.Allow(client) {
//		http.Error(w, "slow down", http.StatusTooManyRequests)
//		return
//	}
//
// # Choosing
//
// [Limiter.Allow] and [Limiter.AllowN] say yes or no. [Limiter.Take] also says
// how much is left and when to come back, for the headers of an answer.
// [Limiter.Return] gives back what was not used after all. Nothing here waits:
// to wait, or for a single stream, use package tokenbucket. Package
// ratelimit/ratelimithttp puts a limiter before an http.Handler. A [Taker] is
// what they have in common, and what one wraps to log, to count, or to give
// each plan of customers a Limiter of its own.
//
// The four algorithms answer the same question, how much is too much, with
// different memories:
//
//	               what is kept of a key     T tokens per P means
//	TokenBucket    one position, 8 bytes     a burst, then evenly: at most Burst + Rate*t in any time t
//	FixedWindow    a start and a count       T from the first charge on for P; up to 2T around the end
//	SlidingWindow  a start and two counts    about T in any P; close to 2T at worst, for bursts at the end of a window
//	SlidingLog     a stamp for each token    never more than T in any P
//
// Use TokenBucket unless the limit is a contract in words: it is exact, the
// smallest, and permits the bursts that clients have. "A thousand a day" is a
// FixedWindow, whose clients can be told when their day ends. SlidingLog is for
// a few tokens, five passwords an hour, at 8 bytes each. SlidingWindow has most
// of its effect for three words.
//
// # Algorithm
//
// The token bucket is that of package tokenbucket: the state is a position on
// an axis on which production advances with time, GCRA in other words, and the
// arithmetic is exact. FixedWindow starts its window with the first charge of a
// key rather than by the clock, so that clients do not come back all at once.
// SlidingWindow supposes that the previous window was spent evenly, and counts
// what of it still lies in the last P, rounded up:
//
//	 previous = 8          count = 3
//	|---------------------|---------------------|----> time
//	          |<----------- P --------->|
//	                      |<--- e ----->| now       3 + ceil(8 * (P-e)/P)
//
// That is Cloudflare's method ("How we built rate limiting capable of scaling
// to millions of domains", 2017); an estimate that is rounded to the nearest or
// down admits more than T.
//
// A refusal charges nothing, whatever the algorithm: a client that is refused
// again and again gets its next token at the same instant as one that waits.
// Result.RetryAfter is exact: one nanosecond earlier the same call is refused.
//
// # Memory
//
// A limiter for clients faces whoever can make up a name. So MaxKeys is a hard
// bound, and the question is whom to forget. An idle key, one whose quota is
// whole, is as good as one that was never seen: such are dropped first, and
// nothing is lost. When there is none among a few, the least used of a sample of
// 8 goes. A flood of new names thus pushes itself out, while a client that has
// spent its quota stays refused; in an LRU it would be the other way round, and
// the flood would buy the attacker a fresh quota. [Stats] counts the two kinds:
// if EvictedActive grows, MaxKeys is too small.
//
// Keys are spread over up to 1024 shards, of MaxKeys/shards each, by a hash with
// a seed of its own for each limiter. Luck fills one shard before another: keys
// are pushed out from about 95 % of MaxKeys on. An entry is one piece of a hash
// table with open addressing: for string keys 48 bytes, and 64 to 85 with the
// empty places, to which SlidingLog adds its stamps. The tables grow with the
// keys held; each new key looks at two others and drops what is idle, so that
// they shrink again without a goroutine.
//
// # Concurrency
//
// All methods are safe for concurrent use. A call for one key is linearizable:
// it takes effect at one instant, under the lock of the key's shard, and a
// reading of the clock that is older than that of a call before it counts as
// the latter's. Len, Stats, All, Prune, Clear and SetLimit go from shard to
// shard and are not one instant. No method blocks, starts a goroutine, or calls
// code of the user. Time is monotonic: steps of the wall clock do nothing. It
// works in testing/synctest bubbles, in virtual time; in a limiter that was made
// outside of the bubble no time passes.
//
// # Limits
//
// A window is at most 10 years long, a bucket fills within 10 years. TokenBucket
// refills nothing later than 29 years after New. Keys are kept as they are
// given: clone a short piece of a long string before you pass it. The limits of
// several processes do not add up to one; ratelimit/ratelimitredis shares a
// limit between them.
package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"math/bits"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// Config describes a Limiter.
type Config[K comparable] struct {
	// Algorithm selects how charges are counted; TokenBucket by default.
	Algorithm Algorithm

	// Limit is what each key may use; required.
	Limit Limit

	// MaxKeys is the most keys held at any time; 0 means 65536, and 1<<26 is
	// the most. Memory grows with the keys that are held. With SlidingLog,
	// MaxKeys*Limit.Rate.Tokens must not be more than 1<<27, which is 1 GiB of
	// time stamps.
	MaxKeys int
}

const (
	defaultMaxKeys = 1 << 16
	mostKeys       = 1 << 26
	mostStamps     = 1 << 27

	// keysPerShard is how many keys a shard holds at least: with fewer, the
	// luck of the hash would fill one shard long before the others. Its
	// standard deviation is here 4 %.
	keysPerShard = 512

	// mostShards keeps an empty limiter small.
	mostShards = 1024
)

// Limiter applies one Limit to each key. All methods are safe for concurrent
// use, and panic on a nil or zero Limiter. A Limiter is made by New and must
// not be copied. It has no goroutine and needs no Close.
type Limiter[K comparable] struct {
	algorithm Algorithm
	maxKeys   int
	seed      maphash.Seed
	base      time.Time // where the instants start; of this limiter, since that of a package belongs to no synctest bubble
	shards    []shard[K]
	limits    sync.Mutex // held by SetLimit, so that all shards end with the same limit
}

// New returns a Limiter that holds no key. An error matches ErrConfig and names
// the field at fault.
func New[K comparable](cfg Config[K]) (*Limiter[K], error) {
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = defaultMaxKeys
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	l := &Limiter[K]{
		algorithm: cfg.Algorithm,
		maxKeys:   cfg.MaxKeys,
		seed:      maphash.MakeSeed(),
		base:      time.Now(),
		shards:    make([]shard[K], shardsFor(cfg.MaxKeys)),
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.rules, s.limit, s.window = newRules(cfg.Algorithm, cfg.Limit), cfg.Limit, cfg.Limit.window()
		s.most = cfg.MaxKeys / len(l.shards)
		if i < cfg.MaxKeys%len(l.shards) {
			s.most++
		}
	}
	return l, nil
}

func (c *Config[K]) check() error {
	switch {
	case int(c.Algorithm) >= len(algorithmNames):
		return fmt.Errorf("Algorithm must be one of the constants, got %v", c.Algorithm)
	case c.MaxKeys < 0 || c.MaxKeys > mostKeys:
		return fmt.Errorf("MaxKeys must be 1 to %d, or 0 for %d, got %d", mostKeys, defaultMaxKeys, c.MaxKeys)
	}
	return checkLimit(c.Algorithm, c.Limit, c.MaxKeys)
}

// checkLimit is what New and SetLimit ask of a limit.
func checkLimit(a Algorithm, l Limit, maxKeys int) error {
	if err := l.check(a); err != nil {
		return err
	}
	if most := mostStamps / int64(maxKeys); a == SlidingLog && l.Rate.Tokens > most {
		return fmt.Errorf("MaxKeys must be at most %d/Limit.Rate.Tokens with a sliding log, got %d keys of %d tokens", mostStamps, maxKeys, l.Rate.Tokens)
	}
	return nil
}

// shardsFor returns a power of two.
func shardsFor(maxKeys int) int {
	return 1 << (bits.Len(uint(min(max(maxKeys/keysPerShard, 1), mostShards))) - 1)
}

// Allow charges 1 to key and reports whether that was within the limit.
func (l *Limiter[K]) Allow(key K) bool { return l.AllowN(key, 1) }

// AllowN charges n to key if that is within the limit, and else nothing. n = 0
// is always true; n < 0, and n above the quota, are always false. O(1); no
// allocation for a key that is held.
func (l *Limiter[K]) AllowN(key K, n int64) bool {
	s, hash := l.shard(key)
	if n <= 0 {
		return n == 0
	}
	s.lock(l.now())
	defer s.mu.Unlock()
	_, ok := s.charge(hash, key, n)
	return ok
}

// Take charges n to key if that is within the limit, and else nothing, and
// describes what key can use. It never blocks. O(1); no allocation for a key
// that is held.
//
// A refusal is not an error: it is a Result that is not OK. n = 0 charges
// nothing, makes no entry, and tells in RetryAfter when a token will be there.
//
// Errors, with nothing charged: that of ctx if it is done, ErrNegative for n <
// 0, and ErrExceedsLimit, together with the Result, for n above the quota.
func (l *Limiter[K]) Take(ctx context.Context, key K, n int64) (Result, error) {
	s, hash := l.shard(key)
	if ctx.Err() != nil {
		return Result{}, ctxerr.Of(ctx)
	}
	if n < 0 {
		return Result{}, fmt.Errorf("%w: %d", ErrNegative, n)
	}
	s.lock(l.now())
	defer s.mu.Unlock()
	var r Result
	if n == 0 {
		r = s.describe(s.held(s.table.find(hash, key)), 0, true)
	} else {
		after, ok := s.charge(hash, key, n)
		r = s.describe(after, n, ok)
	}
	if n > r.Limit {
		return r, fmt.Errorf("%w: %d of %d", ErrExceedsLimit, n, r.Limit)
	}
	return r, nil
}

// Return takes back up to n of what is charged to key, for work that was not
// done after all. SlidingWindow gives back only what was charged in the present
// window. n <= 0, and a key that is not held, do nothing. O(1).
func (l *Limiter[K]) Return(key K, n int64) {
	s, hash := l.shard(key)
	if n <= 0 {
		return
	}
	s.lock(l.now())
	defer s.mu.Unlock()
	if i := s.table.find(hash, key); i >= 0 {
		e := &s.table.slots[i]
		e.state = s.rules.give(e.state, s.now, n)
	}
}

// Delete forgets what is charged to key and reports whether the key was held.
// O(1), amortised.
func (l *Limiter[K]) Delete(key K) bool {
	s, hash := l.shard(key)
	s.lock(l.now())
	defer s.mu.Unlock()
	i := s.table.find(hash, key)
	if i >= 0 {
		s.drop(i)
		s.fit()
	}
	return i >= 0
}

// Clear forgets all keys and gives their memory back.
func (l *Limiter[K]) Clear() {
	l.each(func(s *shard[K]) { s.clear() })
}

// Prune forgets the keys to which nothing is charged, gives memory back, and
// returns how many there were. Nothing is lost: such a key is as good as one
// that is not held. It is not needed to bound the memory, which new keys do;
// call it now and then if keys cease to come. O(keys), one shard at a time.
func (l *Limiter[K]) Prune() int {
	dropped := 0
	l.each(func(s *shard[K]) { dropped += s.prune() })
	return dropped
}

// SetLimit replaces the limit of all keys; the algorithm stays. What a key has
// spent stays spent, also where it is more than the new limit permits: a key
// that is held is judged like one that had been under the new limit all along.
// (SetLimit of package tokenbucket keeps what is left instead: a single bucket
// has nobody to be compared with.)
//
// TokenBucket keeps the tokens spent, with their fraction, up to the new Burst.
// FixedWindow keeps count and start of the window, SlidingWindow what counts
// now; if Rate.Per changes that starts a window. SlidingLog keeps the newest
// stamps, at most Rate.Tokens.
//
// An error matches ErrConfig and leaves everything as it was. A concurrent call
// decides entirely by the old or entirely by the new limit. O(keys), one shard
// at a time.
func (l *Limiter[K]) SetLimit(limit Limit) error {
	l.made()
	if err := checkLimit(l.algorithm, limit, l.maxKeys); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	l.limits.Lock()
	defer l.limits.Unlock()
	l.each(func(s *shard[K]) { s.apply(limit) })
	return nil
}

// Len returns the number of keys held, at most MaxKeys. It counts those that
// have become idle and were not yet dropped. O(shards).
func (l *Limiter[K]) Len() int { return l.Stats().Keys }

// All returns the keys held, each with what Take of 0 would say. A key that is
// held during the whole iteration comes once; the order is unspecified, and it
// is not a snapshot: each shard is read when its turn comes. No lock is held
// while the body runs.
func (l *Limiter[K]) All() iter.Seq2[K, Result] {
	l.made()
	return func(yield func(K, Result) bool) {
		var keys []K
		var results []Result
		for i := range l.shards {
			keys, results = l.shards[i].look(l.now(), keys[:0], results[:0])
			for j, key := range keys {
				if !yield(key, results[j]) {
					return
				}
			}
			clear(keys)
		}
	}
}

// look appends the keys of a shard and what is to be said of them.
func (s *shard[K]) look(now int64, keys []K, results []Result) ([]K, []Result) {
	s.lock(now)
	defer s.mu.Unlock()
	for i := range s.table.slots {
		if e := &s.table.slots[i]; e.hash != 0 {
			keys = append(keys, e.key)
			results = append(results, s.describe(e.state, 0, true))
		}
	}
	return keys, results
}

// Stats is a copy of the counters. Those of one shard agree with each other;
// the shards are read one after the other.
type Stats struct {
	Keys          int    // keys held, as Len returns
	Allowed       uint64 // calls with n > 0 that were charged
	Denied        uint64 // calls with n > 0 that were refused, those above the quota included
	EvictedIdle   uint64 // keys dropped, for room or by Prune, to which nothing was charged: nothing was lost
	EvictedActive uint64 // keys dropped for room although something was charged: if this grows, raise MaxKeys
}

// Stats returns the counters. O(shards).
func (l *Limiter[K]) Stats() Stats {
	var t Stats
	l.each(func(s *shard[K]) {
		t.Keys += s.table.len
		t.Allowed += s.allowed
		t.Denied += s.denied
		t.EvictedIdle += s.evictedIdle
		t.EvictedActive += s.evictedActive
	})
	return t
}

// each calls f with each shard, locked.
func (l *Limiter[K]) each(f func(s *shard[K])) {
	l.made()
	for i := range l.shards {
		s := &l.shards[i]
		s.lock(l.now())
		f(s)
		s.mu.Unlock()
	}
}

// shard returns the shard of a key and the hash that identifies the key in it.
// A key that cannot be hashed panics here, with no lock held.
func (l *Limiter[K]) shard(key K) (s *shard[K], hash uint64) {
	l.made()
	hash = maphash.Comparable(l.seed, key) | used
	return &l.shards[(hash>>1)&uint64(len(l.shards)-1)], hash
}

// made panics on a Limiter that is nil or was not made by New.
func (l *Limiter[K]) made() {
	if l == nil {
		panic("ratelimit: nil Limiter")
	}
	if l.shards == nil {
		panic("ratelimit: Limiter not made by New")
	}
}

// now is the one reading of the clock that a call makes.
func (l *Limiter[K]) now() int64 { return instant(time.Since(l.base)) }
