package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// day2000 is the instant of the sample lines, counted from 1970.
const day2000 = 951827696 * time.Second // 29 Feb 2000 12:34:56 UTC

func TestParseCommonAccepts(t *testing.T) {
	const head, tail = `h - - [29/Feb/2000:12:34:56 +0000] `, ` 200 5`
	get := func(path string) request { return request{day2000, "h", "GET", path, 200, 5} }
	tests := []struct {
		name, line string
		want       request
	}{
		{"common", head + `"GET /a HTTP/1.0"` + tail, get("/a")},
		{"combined", head + `"GET /a HTTP/1.0"` + tail + ` "http://r/" "agent (x; y)"`, get("/a")},
		{"zone", `h - - [29/Feb/2000:05:34:56 -0700] "GET /a HTTP/1.0"` + tail, get("/a")},
		{"query", head + `"GET /a?b=c&d HTTP/1.1"` + tail, get("/a?b=c&d")},
		{"no version", head + `"GET /a"` + tail, get("/a")},
		{"spaces in the target", head + `"GET /a b c HTTP/1.0"` + tail, get("/a b c")},
		{"space and no version", head + `"GET /a b"` + tail, get("/a b")},
		{"escaped quote", head + `"GET /a\"b HTTP/1.0"` + tail, get(`/a"b`)},
		{"escaped backslash before the end", head + `"GET /a\\"` + tail, get(`/a\`)},
		{"other escapes stay", head + `"GET /a\x16 HTTP/1.0"` + tail, get(`/a\x16`)},
		{"no size", head + `"GET /a HTTP/1.0" 304 -`, request{day2000, "h", "GET", "/a", 304, 0}},
		{"user with a space", `h ident J. Doe [29/Feb/2000:12:34:56 +0000] "GET /a HTTP/1.0"` + tail, get("/a")},
		{"host name", `a.example` + head[1:] + `"GET /a HTTP/1.0"` + tail, request{day2000, "a.example", "GET", "/a", 200, 5}},
		{"IPv6", `2001:db8::1` + head[1:] + `"GET /a HTTP/1.0"` + tail, request{day2000, "2001:db8::1", "GET", "/a", 200, 5}},
		{"method of one's own", head + `"M-SEARCH * HTTP/1.1"` + tail, request{day2000, "h", "M-SEARCH", "*", 200, 5}},
		{"empty referer", head + `"GET /a HTTP/1.0"` + tail + ` "" ""`, get("/a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseCommon(tt.line)
			require.True(t, ok)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseCommonRefuses(t *testing.T) {
	good := `h - - [29/Feb/2000:12:34:56 +0000] "GET /a HTTP/1.0" 200 5`
	_, ok := parseCommon(good)
	require.True(t, ok)
	tests := map[string][2]string{ // replace the first by the second
		"no host":                 {"h -", " -"},
		"no brackets":             {"[29/Feb/2000:12:34:56 +0000]", "29/Feb/2000"},
		"day that does not exist": {"29/Feb/2000", "30/Feb/2000"},
		"no zone":                 {" +0000", ""},
		"before 1970":             {"2000", "1969"},
		"after 2255":              {"2000", "2996"},
		"empty request":           {"GET /a HTTP/1.0", ""},
		"dash for a request":      {"GET /a HTTP/1.0", "-"},
		"no target":               {"GET /a HTTP/1.0", "GET  HTTP/1.0"},
		"method is not a token":   {"GET", "G(T"},
		"binary method":           {"GET", "\x16\x03\x01"},
		"open quote":              {`HTTP/1.0"`, `HTTP/1.0`},
		"status is a dash":        {" 200", " -"},
		"status of two digits":    {" 200", " 20"},
		"status of four digits":   {" 200", " 2000"},
		"negative size":           {" 5", " -5"},
		"size is a word":          {" 5", " five"},
		"size beyond int64":       {" 5", " 99999999999999999999"},
		"no size":                 {" 5", ""},
		"text after the request":  {`" 200`, `"x 200`},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			line := strings.Replace(good, change[0], change[1], 1)
			require.NotEqual(t, good, line)
			_, ok := parseCommon(line)
			assert.False(t, ok, line)
		})
	}
}

func TestParseTSV(t *testing.T) {
	c, ok := tsvColumns("url\tx\tresponse\tbytes\thost\ttime\tmethod")
	require.True(t, ok, "columns are found by name, in any order")
	tests := []struct {
		name, line string
		want       request
		ok         bool
	}{
		{"good", "/a b\t?\t200\t5\th\t951827696\tGET", request{day2000, "h", "GET", "/a b", 200, 5}, true},
		{"no leading slash", "a\t\t200\t5\th\t951827696\tGET", request{day2000, "h", "GET", "a", 200, 5}, true},
		{"no size", "/a\t\t200\t\th\t951827696\tGET", request{day2000, "h", "GET", "/a", 200, 0}, true},
		{"more columns than names", "/a\t\t200\t-\th\t951827696\tHEAD\tmore", request{day2000, "h", "HEAD", "/a", 200, 0}, true},
		{"fewer columns", "/a\t\t200\t5\th\t951827696", request{}, false},
		{"no url", "\t\t200\t5\th\t951827696\tGET", request{}, false},
		{"no host", "/a\t\t200\t5\t\t951827696\tGET", request{}, false},
		{"time is a date", "/a\t\t200\t5\th\t1 Aug 1995\tGET", request{}, false},
		{"time before 1970", "/a\t\t200\t5\th\t-1\tGET", request{}, false},
		{"time beyond int64", "/a\t\t200\t5\th\t9999999999999999999\tGET", request{}, false},
		{"time beyond the last year", "/a\t\t200\t5\th\t9000000001\tGET", request{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := c.parse(tt.line)
			require.Equal(t, tt.ok, ok)
			if ok {
				assert.Equal(t, tt.want, got)
			}
		})
	}

	_, ok = tsvColumns("host\ttime\tmethod\turl")
	assert.False(t, ok, "response is missing")
	c, ok = tsvColumns("host\ttime\tmethod\turl\tresponse")
	require.True(t, ok, "bytes may be missing")
	_, ok = c.parse("h\t1\tGET\t/\t200")
	assert.True(t, ok)
}

func commonLine(second int, client, path string) string {
	return fmt.Sprintf(`%s - - [29/Feb/2000:12:%02d:%02d +0000] "GET %s HTTP/1.0" 200 5`, client, second/60, second%60, path)
}

func TestDetectFormat(t *testing.T) {
	tests := []struct{ name, log, format string }{
		{"common", commonLine(0, "h", "/"), "clf"},
		{"combined", commonLine(0, "h", "/") + ` "-" "agent"`, "combined"},
		{"blank lines first", "\n  \r\n\n" + commonLine(0, "h", "/") + ` "-" "agent"`, "combined"},
		{"tsv", "host\tlogname\ttime\tmethod\turl\tresponse\tbytes\nh\t-\t1\tGET\t/\t200\t5\n", "nasa-tsv"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream, info, err := parseLog(t.Context(), strings.NewReader(tt.log))
			require.NoError(t, err)
			assert.Equal(t, logInfo{format: tt.format, lines: 1}, info)
			assert.Len(t, stream, 1)
		})
	}
}

func TestParseLogCountsAndSorts(t *testing.T) {
	log := strings.Join([]string{
		commonLine(50, "a", "/1"),
		commonLine(20, "b", "/2"), // out of order
		"rubbish",
		"",
		commonLine(50, "c", "/3"), // in order again: it is not before the line above
		commonLine(20, "d", "/4"), // out of order, and after b
	}, "\r\n")
	stream, info, err := parseLog(t.Context(), strings.NewReader(log)) // the last line has no end
	require.NoError(t, err)
	assert.Equal(t, logInfo{format: "clf", lines: 5, badLines: 1, outOfOrder: 2}, info)
	var order []string
	for _, r := range stream {
		order = append(order, fmt.Sprintf("%s@%v", r.client, r.at))
	}
	assert.Equal(t, []string{"b@0s", "d@0s", "a@30s", "c@30s"}, order, "stable, and counted from the first request")
}

func TestParseLogLineLimit(t *testing.T) {
	fill := func(total int) string {
		line := commonLine(1, "h", "/")
		return strings.Replace(line, "/ ", "/"+strings.Repeat("x", total-len(line))+" ", 1)
	}
	for _, end := range []string{"\n", "\r\n"} {
		log := commonLine(0, "h", "/") + end + fill(maxLine) + end + fill(maxLine+1) + end + fill(3*maxLine) + end + commonLine(2, "h", "/") + end
		stream, info, err := parseLog(t.Context(), strings.NewReader(log))
		require.NoError(t, err)
		assert.Len(t, stream, 3, "the longest line that is allowed, and the lines around")
		assert.Equal(t, logInfo{format: "clf", lines: 5, badLines: 2}, info)
	}
	_, info, err := parseLog(t.Context(), strings.NewReader(commonLine(0, "h", "/")+"\n"+fill(3*maxLine)))
	require.NoError(t, err)
	assert.Equal(t, 1, info.badLines, "a long last line without an end")
}

func TestInternerKeepsNothingOfTheLine(t *testing.T) {
	share := make(interner)
	line := commonLine(0, "client", "/page")
	first, ok := parseCommon(line)
	require.True(t, ok)
	share.strings(first)
	assert.Equal(t, interner{"client": "client", "GET": "GET", "/page": "/page"}, share)
	assert.Zero(t, testing.AllocsPerRun(100, func() { share.strings(first) }), "known strings are not stored again")
}

func TestParseLogWithoutRequests(t *testing.T) {
	long := strings.Repeat("y", 1000)
	tests := []struct{ name, log, text string }{
		{"empty", "", "the log is empty"},
		{"blank", "\n\n  \n", "the log is empty"},
		{"header only", "host\ttime\tmethod\turl\tresponse\n", "the log is empty"},
		{"rubbish", "some text\nmore", `no line of 2 is a log line, the first is "some text"`},
		{"long rubbish", long, `the first is "` + long[:maxQuote] + `"`},
		{"binary", "\x00\x01\n", `the first is "\x00\x01"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseLog(t.Context(), strings.NewReader(tt.log))
			assert.ErrorContains(t, err, tt.text)
		})
	}
}

func TestReadLogGzip(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for i := range 1000 {
		fmt.Fprintln(w, commonLine(i, fmt.Sprint("h", i*i), "/"))
	}
	require.NoError(t, w.Close())
	write := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}

	stream, _, err := readLog(t.Context(), write("plain.log", packed.Bytes()))
	require.NoError(t, err, "gzip is told by its bytes, not by a name")
	assert.Len(t, stream, 1000)
	stream, _, err = readLog(t.Context(), write("named.gz", []byte(commonLine(0, "h", "/"))))
	require.NoError(t, err)
	assert.Len(t, stream, 1)

	_, _, err = readLog(t.Context(), write("truncated", packed.Bytes()[:packed.Len()/2]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, _, err = readLog(t.Context(), write("header-only", packed.Bytes()[:5]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	broken := bytes.Clone(packed.Bytes())
	broken[len(broken)-5] ^= 1
	_, _, err = readLog(t.Context(), write("checksum", broken))
	require.ErrorIs(t, err, gzip.ErrChecksum)
	_, _, err = readLog(t.Context(), write("one byte", []byte{0x1f}))
	require.ErrorContains(t, err, "no line of 1")
}

func TestCloseGaps(t *testing.T) {
	at := func(seconds ...int) []request {
		stream := make([]request, len(seconds))
		for i, s := range seconds {
			stream[i].at = time.Duration(s) * time.Second
		}
		return stream
	}
	stream := at(0, 10, 10, 21, 1000, 1001, 5000)
	closeGaps(stream, 10*time.Second)
	assert.Equal(t, at(0, 10, 10, 20, 30, 31, 41), stream)
}

func TestRealLogs(t *testing.T) {
	t.Run("NASA", func(t *testing.T) {
		stream, info, err := readLog(t.Context(), trace(t, nasaDay))
		require.NoError(t, err)
		assert.Equal(t, logInfo{format: "nasa-tsv", lines: 30969}, info)
		assert.Len(t, stream, 30969)
	})
	t.Run("Apache", func(t *testing.T) {
		stream, info, err := readLog(t.Context(), trace(t, apacheSample))
		require.NoError(t, err)
		assert.Equal(t, logInfo{format: "combined", lines: 10000, outOfOrder: 4915}, info)
		assert.Len(t, stream, 10000)
	})
}

func TestWireTarget(t *testing.T) {
	tests := []struct{ name, logged, wire string }{
		{"fit", "/a/b?c=d&e=%2F;~!$'()*+,:@[]^`{|}\\\"<>", "/a/b?c=d&e=%2F;~!$'()*+,:@[]^`{|}\\\"<>"},
		{"empty", "", "/"},
		{"no leading slash", "a/b", "/a/b"},
		{"absolute URL", "http://h/a", "/http://h/a"},
		{"asterisk", "*", "/*"},
		{"space and tab", "/a b\tc", "/a%20b%09c"},
		{"fragment", "/a#b", "/a%23b"},
		{"bytes above ASCII", "/ä", "/%C3%A4"},
		{"delete and nul", "/\x7f\x00", "/%7F%00"},
		{"good escapes", "/%41%fF", "/%41%fF"},
		{"bad escapes", "/%4/%zz/%", "/%254/%25zz/%25"},
		{"two leading slashes", "//h/a", "/%2Fh/a"},
		{"three leading slashes", "///a", "/%2F/a"},
		{"later double slash", "/a//b", "/a//b"},
		{"only slashes", "//", "/%2F"},
		{"dots", "/../../etc/passwd", "/../../etc/passwd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.wire, wireTarget(tt.logged))
			assert.Equal(t, tt.wire, wireTarget(tt.wire), "a wire target stays as it is")
		})
	}
}

func TestFNV(t *testing.T) { // vectors of the FNV reference code
	assert.Equal(t, uint64(0xcbf29ce484222325), fnv1a64(""))
	assert.Equal(t, uint64(0xaf63dc4c8601ec8c), fnv1a64("a"))
	assert.Equal(t, uint64(0x85944171f73967e8), fnv1a64("foobar"))
}
