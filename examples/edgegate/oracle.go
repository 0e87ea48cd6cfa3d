package main

import (
	"time"

	"github.com/mainstay-go/mainstay/lru"
)

// expectation is what a stream must lead to when its requests are decided one
// after the other at their logged times, without threads, sockets or a clock. A
// replay is compared with it.
//
// The two differ by the replay lag, multiplied by the speed. At -speed 3600 a
// request that goes out 1 ms late is decided 3.6 s late in the time of the log.
// A bucket of 30 tokens that gains one each 30 s hardly notices: a client is
// denied after a burst of thirty, wherever in those 3.6 s it begins. A bucket
// of 5 tokens that gains one each second is another limiter then, and no replay
// at that speed can judge it. That is what clock error does to a limiter: it
// matters in proportion to the time in which the bucket fills.
type expectation struct {
	denied   int64
	deniedBy map[string]int64
	hits     int64   // of a sequential LRU
	hitRatio float64 // hits over all requests that the limiter lets pass
}

// expect runs the limiter and the response cache over the stream. What keepable
// excludes is loaded each time, as by the gateway.
func expect(stream []request, p policy, cacheSize int, keepable func(cacheKey) bool) (expectation, error) {
	e := expectation{deniedBy: make(map[string]int64)}
	cache, err := lru.New(lru.Config[cacheKey, struct{}]{Capacity: cacheSize})
	if err != nil {
		return e, err
	}
	limiter := eventLimiter{policy: p, clients: make(map[string]*eventBucket)}
	var admitted int64
	for _, r := range stream {
		if !limiter.allow(r.client, r.at) {
			e.denied++
			e.deniedBy[r.client]++
			continue
		}
		admitted++
		key, ok := cacheKeyOf(r)
		if !ok {
			continue
		}
		if _, hit := cache.Get(key); hit {
			e.hits++
		} else if keepable(key) {
			cache.Set(key, struct{}{})
		}
	}
	e.hitRatio = ratio(e.hits, admitted)
	return e, nil
}

// cacheKeyOf returns the key under which the gateway caches the answer, if it
// does.
func cacheKeyOf(r request) (cacheKey, bool) {
	w := onWire(r)
	return cacheKey{w.target, w.missing}, cacheable(w.method)
}

// eventLimiter is the token bucket of a policy in event time. All its numbers
// are integers: a level is counted in parts of a token, per parts make a token,
// and a nanosecond brings tokens parts. Nothing is ever rounded.
type eventLimiter struct {
	policy
	clients map[string]*eventBucket
}

type eventBucket struct {
	level int64
	at    time.Duration
}

// allow takes a token of the client at an instant of the log. A client's first
// bucket is full.
func (l eventLimiter) allow(client string, at time.Duration) bool {
	full := l.burst * int64(l.per)
	b := l.clients[client]
	if b == nil {
		b = &eventBucket{level: full, at: at}
		l.clients[client] = b
	}
	// Compare before multiplying: a pause of years must not overflow the level.
	if elapsed := int64(at - b.at); elapsed > (full-b.level)/l.tokens {
		b.level = full
	} else {
		b.level += elapsed * l.tokens
	}
	b.at = at
	if b.level < int64(l.per) {
		return false
	}
	b.level -= int64(l.per)
	return true
}

// ratio returns part/whole, and 0 of nothing.
func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
