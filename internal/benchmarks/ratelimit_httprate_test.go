package benchmarks

import (
	"net"
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

// ratelimitHTTPRate is a middleware only.
var ratelimitHTTPRate = ratelimitImpl{
	name: "httprate",
	middleware: func(perSecond int) func(http.Handler) http.Handler {
		return httprate.LimitBy(perSecond, time.Second, func(r *http.Request) (string, error) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			return httprate.CanonicalizeIP(host), err
		})
	},
}
