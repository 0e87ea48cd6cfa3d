package ratelimit

import (
	"math/big"
)

// naive is one key under one limit, counted the slow way: what was granted is kept as it was, and every question is
// answered from that, in numbers without bound. It keeps the quota and the length of the window of its limit.
type naive interface {
	used(now int64) *big.Rat // in tokens; 0 means idle
	charge(now, n int64)     // it fits
	give(now, n int64)
	relimit(now int64, l Limit)
	quota() int64
}

func newNaive(a Algorithm, l Limit) naive {
	w := windows{tokens: l.Rate.Tokens, per: int64(l.Rate.Per)}
	switch a {
	case TokenBucket:
		b := &naiveBucket{spent: new(big.Rat)}
		b.relimit(0, l)
		return b
	case SlidingWindow:
		return &naiveSliding{windows: w}
	case SlidingLog:
		return &naiveLog{windows: w}
	default:
		return &naiveFixed{windows: w}
	}
}

// fits tells whether n more can be charged.
func fits(m naive, now, n int64) bool {
	total := new(big.Rat).Add(m.used(now), rat(n))
	return total.Cmp(rat(m.quota())) <= 0
}

// left is the number of whole tokens that can be charged.
func left(m naive, now int64) int64 {
	free := new(big.Rat).Sub(rat(m.quota()), m.used(now))
	if free.Sign() < 0 {
		return 0
	}
	return new(big.Int).Quo(free.Num(), free.Denom()).Int64()
}

func idle(m naive, now int64) bool { return m.used(now).Sign() == 0 }

func rat(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// naiveBucket: what is spent flows out at the rate.
type naiveBucket struct {
	rate  *big.Rat
	burst int64
	spent *big.Rat // at the instant at
	at    int64
}

func (b *naiveBucket) quota() int64 { return b.burst }

func (b *naiveBucket) used(now int64) *big.Rat {
	flowed := new(big.Rat).Mul(b.rate, rat(now-b.at))
	spent := flowed.Sub(b.spent, flowed)
	if spent.Sign() < 0 {
		return new(big.Rat)
	}
	return spent
}

func (b *naiveBucket) charge(now, n int64) {
	b.spent, b.at = new(big.Rat).Add(b.used(now), rat(n)), now
}

func (b *naiveBucket) give(now, n int64) {
	b.charge(now, -n)
	if b.spent.Sign() < 0 {
		b.spent = new(big.Rat)
	}
}

func (b *naiveBucket) relimit(now int64, l Limit) {
	if b.rate != nil {
		b.charge(now, 0)
	}
	b.rate, b.burst = new(big.Rat).SetFrac64(l.Rate.Tokens, int64(l.Rate.Per)), l.quota()
	if b.spent.Cmp(rat(b.burst)) > 0 {
		b.spent = rat(b.burst)
	}
}

// windows is what the window algorithms have in common: the tokens that were granted, oldest first.
type windows struct {
	tokens, per int64
	granted     []int64 // the instant of each
}

func (w *windows) quota() int64 { return w.tokens }

func (w *windows) grant(now, n int64) {
	for range n {
		w.granted = append(w.granted, now)
	}
}

// in counts the tokens granted at from or later, and before to.
func (w *windows) in(from, to int64) (n int64) {
	for _, at := range w.granted {
		if from <= at && at < to {
			n++
		}
	}
	return n
}

// revoke takes the newest n back that were granted at from or later.
func (w *windows) revoke(from, n int64) {
	for last := len(w.granted) - 1; n > 0 && last >= 0 && w.granted[last] >= from; last-- {
		w.granted = w.granted[:last]
		n--
	}
}

// naiveFixed: a window starts with the first charge of an idle key.
type naiveFixed struct {
	windows
	start int64
}

func (f *naiveFixed) used(now int64) *big.Rat {
	if now >= f.start+f.per {
		return new(big.Rat)
	}
	return rat(f.in(f.start, f.start+f.per))
}

func (f *naiveFixed) charge(now, n int64) {
	if idle(f, now) {
		f.start, f.granted = now, nil
	}
	f.grant(now, n)
}

func (f *naiveFixed) give(now, n int64) {
	if !idle(f, now) {
		f.revoke(f.start, n)
	}
}

func (f *naiveFixed) relimit(now int64, l Limit) {
	if idle(f, now) {
		f.granted = nil
	}
	f.tokens, f.per = l.Rate.Tokens, int64(l.Rate.Per)
}

// naiveSliding: the windows that follow the first charge of an idle key; the one before counts by its share.
type naiveSliding struct {
	windows
	start int64
}

func (s *naiveSliding) window(now int64) int64 { return s.start + (now-s.start)/s.per*s.per }

func (s *naiveSliding) used(now int64) *big.Rat {
	from := s.window(now)
	share := new(big.Rat).SetFrac64(s.per-(now-from), s.per)
	share.Mul(share, rat(s.in(from-s.per, from)))
	up := new(big.Int).Add(share.Num(), share.Denom())
	up.Sub(up, big.NewInt(1)).Quo(up, share.Denom())
	return up2(up, s.in(from, from+s.per))
}

func up2(up *big.Int, n int64) *big.Rat {
	return new(big.Rat).Add(new(big.Rat).SetInt(up), rat(n))
}

func (s *naiveSliding) charge(now, n int64) {
	if idle(s, now) {
		s.start, s.granted = now, nil
	}
	s.grant(now, n)
}

func (s *naiveSliding) give(now, n int64) { s.revoke(s.window(now), n) }

func (s *naiveSliding) relimit(now int64, l Limit) {
	if per := int64(l.Rate.Per); per != s.per {
		used := s.used(now).Num().Int64()
		s.start, s.per, s.granted = now, per, nil
		s.grant(now, used)
	}
	s.tokens = l.Rate.Tokens
}

// naiveLog: a token counts for the length of the window.
type naiveLog struct{ windows }

func (g *naiveLog) used(now int64) *big.Rat { return rat(g.in(now-g.per+1, now+1)) }

func (g *naiveLog) charge(now, n int64) { g.grant(now, n) }

func (g *naiveLog) give(now, n int64) { g.revoke(now-g.per+1, n) }

func (g *naiveLog) relimit(now int64, l Limit) {
	g.granted = g.granted[len(g.granted)-int(min(g.in(now-g.per+1, now+1), l.Rate.Tokens)):]
	g.tokens, g.per = l.Rate.Tokens, int64(l.Rate.Per)
}
