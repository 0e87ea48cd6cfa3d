package main

import (
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

const maxCachedBody = 1 << 20 // bytes; with it -cache bounds memory too

// answer is what goes back to the client. One that is cached is shared and
// never written to.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// keepable excludes our own errors and the few giants among the files.
func (a *answer) keepable() bool {
	return (a.status == http.StatusOK || a.status == http.StatusNotFound) && len(a.body) <= maxCachedBody
}

// send writes the answer; a HEAD has no body, only the length it would have.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone; nobody is left to tell
}

// plain is an answer of our own: the status in words.
func plain(status int) *answer {
	return &answer{status, http.Header{"Content-Type": {textPlain}}, []byte(http.StatusText(status) + "\n")}
}

// tooMany says how many whole seconds to wait. A second of the replay can be an
// hour of the log.
func tooMany(wait time.Duration) *answer {
	reply := plain(http.StatusTooManyRequests)
	reply.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return reply
}
