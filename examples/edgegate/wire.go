package main

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// Headers that the replayer adds for the gateway, and the gateway for the
// origins. They count only under the seal.
const (
	headerSeal    = "X-Edge-Seal"
	headerClient  = "X-Edge-Client"  // the client in the log, percent-encoded
	headerMissing = "X-Edge-Missing" // "1": the log says 404, so ask for a file that is not there
)

// seal is a secret of one run. Without it a request is a stranger's: it is
// keyed by its address, whatever it claims.
type seal string

// newSeal draws from crypto/rand: a neighbour on the machine must not be able
// to guess it.
func newSeal() seal { return seal(rand.Text()) }

// stamp marks a request as the replayer's own.
func (s seal) stamp(h http.Header) { h.Set(headerSeal, string(s)) }

// on takes the same time for every wrong seal, so that it cannot be found out
// byte by byte.
func (s seal) on(h http.Header) bool {
	return subtle.ConstantTimeCompare([]byte(s), []byte(h.Get(headerSeal))) == 1
}

// fileMissing reports whether the replayer wants a 404.
func (s seal) fileMissing(h http.Header) bool { return h.Get(headerMissing) == "1" && s.on(h) }

// requestURL addresses a wire target. Opaque puts the target on the request
// line byte for byte, where Path would be decoded and encoded again.
func requestURL(address, target string) *url.URL {
	return &url.URL{Scheme: "http", Host: address, Opaque: target}
}

// wireTarget makes a logged target fit for a request line and leaves a fit one
// as it is:
//
//	images/a b.gif   ->  /images/a%20b.gif
//	/100%            ->  /100%25
//	//host/x         ->  /%2Fhost/x
//
// The last one matters because a target that begins with two slashes is read as
// the name of another host.
func wireTarget(logged string) string {
	var b strings.Builder
	if !strings.HasPrefix(logged, "/") {
		b.WriteByte('/')
	}
	for i := range len(logged) {
		c := logged[i]
		if !unfit(logged, i) {
			b.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// unfit reports whether byte i of a logged target has to be escaped.
func unfit(target string, i int) bool {
	switch c := target[i]; {
	case c < 0x21 || c > 0x7e || c == '#':
		return true
	case c == '%':
		return i+2 >= len(target) || !isHex(target[i+1]) || !isHex(target[i+2])
	case c == '/':
		return i == 1 && target[0] == '/'
	default:
		return false
	}
}

// isHex accepts both cases, as a URL may use either.
func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// fnv1a64 is the 64-bit FNV-1a hash, here without the allocation of hash/fnv.
func fnv1a64(s string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}
