package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParseLog checks what every stream must satisfy, whatever the log was.
func FuzzParseLog(f *testing.F) {
	f.Add(commonLine(1, "h", "/a") + "\n" + commonLine(0, "h", "/b"))
	f.Add("host\ttime\tmethod\turl\tresponse\tbytes\nh\t5\tGET\t/\t404\t-\n")
	f.Fuzz(func(t *testing.T, log string) {
		stream, info, err := parseLog(t.Context(), strings.NewReader(log))
		if err != nil {
			require.Empty(t, stream)
			require.Equal(t, info.lines, info.badLines, "an error means that no line was good")
			return
		}
		require.Equal(t, info.lines, info.badLines+len(stream))
		require.LessOrEqual(t, info.outOfOrder, len(stream))
		require.Zero(t, stream[0].at)
		last := time.Duration(0)
		for _, r := range stream {
			require.GreaterOrEqual(t, r.at, last)
			last = r.at
			require.NotEmpty(t, r.client)
			require.NotEmpty(t, r.path)
			require.GreaterOrEqual(t, r.bytes, int64(0))
			_, err := http.NewRequestWithContext(t.Context(), r.method, "http://h", http.NoBody)
			require.NoError(t, err, "every method of the stream can be sent")
		}
	})
}

// FuzzWireTarget checks that any target becomes one that a server accepts byte
// for byte.
func FuzzWireTarget(f *testing.F) {
	for _, s := range []string{"", "//", "/%", "a b#c", "/\xff%4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, logged string) {
		wire := wireTarget(logged)
		require.Equal(t, wire, wireTarget(wire))
		u, err := url.ParseRequestURI(wire)
		require.NoError(t, err)
		assert.Empty(t, u.Host)
		assert.Equal(t, wire, requestURL("h", wire).RequestURI())
	})
}
