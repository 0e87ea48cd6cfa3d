// Package metricshttp serves the metrics of a registry to Prometheus and to
// what reads OpenMetrics.
//
//	http.Handle("GET /metrics", metricshttp.Handler(registry))
//
// # Choosing
//
// It is a package of its own so that package metrics does not bring net/http
// into programs that have no server. There is nothing to configure: compression
// and authentication are for the handlers around it.
//
// # Algorithm
//
// The format is negotiated by the Accept header of the request (RFC 9110,
// 12.5.1), as far as the two formats need it: OpenMetrics of version 1.0.0, or
// of no version, if its q is above 0 and at least that of text/plain; else text
// 0.0.4. A q that cannot be read is 0.
//
// # Concurrency
//
// A Handler serves any number of requests at a time. A page is in memory before
// its first byte is sent, and no lock is held while it is sent: a client that
// reads slowly, or goes away, delays nobody and nothing.
//
// # Limits
//
// A function of the registry that panics does so in the request, before
// anything is sent; net/http then closes the connection. There is no gzip.
package metricshttp

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/mainstay-go/mainstay/metrics"
)

const (
	textType        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// Handler serves the page of registry to GET, and its header to HEAD; other
// methods are answered with 405. An error of the connection is dropped, there is
// nobody left to tell. It panics if registry is nil.
func Handler(registry *metrics.Registry) http.Handler {
	if registry == nil {
		panic("metricshttp: nil Registry")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		write, contentType := registry.WriteText, textType
		if wantsOpenMetrics(r.Header.Values("Accept")) {
			write, contentType = registry.WriteOpenMetrics, openMetricsType
		}
		w.Header().Set("Content-Type", contentType)
		if r.Method == http.MethodGet {
			_ = write(w)
		}
	})
}

// wantsOpenMetrics decides by the Accept header, which may stand in several
// lines.
func wantsOpenMetrics(accept []string) bool {
	openMetrics, text := 0.0, 0.0
	for media := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(media)
		if err != nil {
			continue
		}
		switch version := params["version"]; {
		case mediaType == "application/openmetrics-text" && (version == "" || version == "1.0.0"):
			openMetrics = max(openMetrics, quality(params))
		case mediaType == "text/plain":
			text = max(text, quality(params))
		}
	}
	return openMetrics > 0 && openMetrics >= text
}

// quality is the weight of a media type: 1 unless it says something else.
func quality(params map[string]string) float64 {
	q, given := params["q"]
	if !given {
		return 1
	}
	v, err := strconv.ParseFloat(q, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0
	}
	return v
}
