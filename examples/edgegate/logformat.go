package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const lastYear = 9e9 // unix seconds, in the year 2255: the nanoseconds still fit in an int64

// lineParser reads one line of a log; its request.at counts from 1970.
type lineParser func(line string) (request, bool)

// detect chooses the format by the first line of a log, and says whether that
// line is a header.
func detect(line string) (format string, parse lineParser, header bool) {
	if columns, ok := tsvColumns(line); ok {
		return "nasa-tsv", columns.parse, true
	}
	if strings.Count(line, `"`) >= 6 { // request, referer and user agent
		return "combined", parseCommon, false
	}
	return "clf", parseCommon, false
}

// parseCommon reads the Common Log Format and whatever Combined adds to it:
//
//	host ident user [02/Jan/2006:15:04:05 -0700] "GET /path HTTP/1.1" 200 1234 "referer" "agent"
func parseCommon(line string) (request, bool) {
	f := fields{rest: line}
	client := f.until(" ")
	f.until(" [") // ident and user; a user name may hold spaces
	stamp := f.until(`] "`)
	asked := f.quoted()
	f.skip(" ")
	status := f.until(" ")
	size, _, _ := strings.Cut(f.rest, " ")

	at, okTime := parseStamp(stamp)
	method, target, okRequest := splitRequest(asked)
	req, ok := raw{client, method, target, status, size}.request(at)
	return req, ok && okTime && okRequest && !f.failed
}

// parseStamp reads the time of the Common Log Format. The zone is part of it,
// so no default zone is ever assumed.
func parseStamp(s string) (time.Duration, bool) {
	t, err := time.Parse("02/Jan/2006:15:04:05 -0700", s)
	if err != nil {
		return 0, false
	}
	return unixTime(t.Unix())
}

// splitRequest takes "METHOD SP target [SP version]" apart. A target may hold
// spaces: careless clients send them.
func splitRequest(asked string) (method, target string, ok bool) {
	method, target, _ = strings.Cut(asked, " ")
	if i := strings.LastIndexByte(target, ' '); i >= 0 && strings.HasPrefix(target[i+1:], "HTTP/") {
		target = target[:i]
	}
	return method, target, target != ""
}

// raw holds the parts that all formats share, before they are checked.
type raw struct{ client, method, target, status, size string }

// request returns the checked request. A method only has to be a token; which
// ones make sense is for the origin to say.
func (r raw) request(at time.Duration) (request, bool) {
	status, err := strconv.Atoi(r.status)
	size, ok := byteCount(r.size)
	if !ok || err != nil || status < 100 || status > 999 || r.client == "" || !isMethod(r.method) {
		return request{}, false
	}
	return request{at, r.client, r.method, r.target, status, size}, true
}

// fields walks over a line. After a failure everything fails, so that one check
// at the end will do.
type fields struct {
	rest   string
	failed bool
}

// until returns what stands before the separator and steps over both.
func (f *fields) until(separator string) string {
	field, rest, found := strings.Cut(f.rest, separator)
	f.rest = rest
	f.failed = f.failed || !found
	return field
}

// skip steps over a separator that must come next.
func (f *fields) skip(separator string) {
	rest, found := strings.CutPrefix(f.rest, separator)
	f.rest = rest
	f.failed = f.failed || !found
}

// quoted returns the text up to the closing quote, with \" and \\ resolved. The
// opening quote is already behind.
func (f *fields) quoted() string {
	var b strings.Builder
	for i := 0; i < len(f.rest); i++ {
		c := f.rest[i]
		if c == '"' {
			f.rest = f.rest[i+1:]
			return b.String()
		}
		if c == '\\' && i+1 < len(f.rest) && (f.rest[i+1] == '"' || f.rest[i+1] == '\\') {
			i++
			c = f.rest[i]
		}
		b.WriteByte(c)
	}
	f.failed = true
	return ""
}

// columns holds where a tab-separated log keeps what we need; size is -1 where
// the log has none.
type columns struct{ host, time, method, url, response, size, width int }

// tsvColumns reads a header line such as
//
//	host	logname	time	method	url	response	bytes	referer	useragent
func tsvColumns(header string) (columns, bool) {
	names := strings.Split(header, "\t")
	at := func(name string) int { return slices.Index(names, name) }
	c := columns{at("host"), at("time"), at("method"), at("url"), at("response"), at("bytes"), 0}
	c.width = 1 + max(c.host, c.time, c.method, c.url, c.response, c.size)
	return c, min(c.host, c.time, c.method, c.url, c.response) >= 0
}

// parse reads a row. Columns beyond those in the header are ignored, a row that
// lacks one of ours is bad.
func (c columns) parse(line string) (request, bool) {
	row := strings.Split(line, "\t")
	if len(row) < c.width {
		return request{}, false
	}
	size := ""
	if c.size >= 0 {
		size = row[c.size]
	}
	at, okTime := parseUnix(row[c.time])
	req, ok := raw{row[c.host], row[c.method], row[c.url], row[c.response], size}.request(at)
	return req, ok && okTime && req.path != ""
}

// parseUnix reads whole seconds since 1970.
func parseUnix(s string) (time.Duration, bool) {
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, false
	}
	return unixTime(seconds)
}

// unixTime returns a time of a log as the duration since 1970.
func unixTime(seconds int64) (time.Duration, bool) {
	return time.Duration(seconds) * time.Second, 0 <= seconds && seconds <= lastYear
}

// byteCount reads a size; a log writes "-" or nothing for none.
func byteCount(s string) (int64, bool) {
	if s == "-" || s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// isMethod reports whether s is a token of RFC 9110, which is all that a method
// has to be.
func isMethod(s string) bool {
	const special = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.Contains(special, string(c)) {
			return false
		}
	}
	return s != ""
}
