package ratelimithttp

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-go/mainstay/ratelimit"
)

// largest is the largest integer of a structured field (RFC 9651, section
// 3.3.1).
const largest = 999_999_999_999_999

// policy is the name of a limit, as it stands in fields and refusals.
type policy struct {
	quoted  string // with its quotes
	problem []byte // body of a refusal
}

func newPolicy(name string) policy {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	problem, _ := json.Marshal(struct { // cannot fail: strings
		Type     string   `json:"type"`
		Title    string   `json:"title"`
		Status   int      `json:"status"`
		Violated []string `json:"violated-policies"`
	}{
		Type:     "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Title:    "Quota exceeded",
		Status:   http.StatusTooManyRequests,
		Violated: []string{name},
	})
	return policy{quoted: quoted, problem: problem}
}

// set adds the fields of a decision: those of another limit may be there
// already. Both values are made in one buffer.
func (p policy) set(h http.Header, res ratelimit.Result) {
	var room [128]byte
	b := append(room[:0], p.quoted...)
	b = parameter(b, ";q=", res.Limit)
	if seconds := int64(res.Window / time.Second); seconds >= 1 && res.Window%time.Second == 0 {
		b = parameter(b, ";w=", seconds)
	}
	end := len(b)
	b = append(b, p.quoted...)
	b = parameter(b, ";r=", res.Remaining)
	b = parameter(b, ";t=", reset(res))
	both := string(b)
	h["Ratelimit-Policy"] = append(h["Ratelimit-Policy"], both[:end])
	h["Ratelimit"] = append(h["Ratelimit"], both[end:])
}

func parameter(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), min(max(value, 0), largest), 10)
}

// reset is when more will be there: for a refusal as much as was asked for, as
// Retry-After says, else everything.
func reset(res ratelimit.Result) int64 {
	if res.OK || res.RetryAfter == 0 { // or no wait would help
		return seconds(res.ResetAfter)
	}
	return max(seconds(res.RetryAfter), 1)
}

// retryAfter is a delay in seconds: not a date, which depends on the clock of
// the client.
func retryAfter(res ratelimit.Result) string {
	return strconv.FormatInt(max(seconds(res.RetryAfter), 1), 10)
}

// seconds rounds up, so that nobody comes too early.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}
