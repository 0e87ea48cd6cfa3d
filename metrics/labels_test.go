package metrics

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnakeCase(t *testing.T) {
	for name, want := range map[string]string{
		"Method": "method", "StatusCode": "status_code", "HTTPCode": "http_code", "UserID": "user_id", "ID": "id", "A": "a",
		"HTTP2Code": "http2_code", "X509": "x509", "Code2XX": "code2_xx", "Already_Snake": "already_snake", "URLs": "ur_ls",
	} {
		assert.Equal(t, want, snake(name))
	}
}

func TestLabelsOfEveryType(t *testing.T) {
	type path string
	type all struct {
		Path   path
		OK     bool
		Small  int8
		Big    uint64
		Code   int `label:"status"`
		Signed int64
		Word   uintptr
	}
	var v Vec[all, Counter]
	v.With(all{"/a\\b\"c\nd", true, -128, 1<<64 - 1, 404, -1 << 63, 7}).Inc()
	r := must(New(Config{}))
	require.NoError(t, r.Register("v_total", "h", &v))
	assert.Contains(t, textOf(t, r), `v_total{path="/a\\b\"c\nd",ok="true",small="-128",big="18446744073709551615",`+
		`status="404",signed="-9223372036854775808",word="7"} 1`+"\n")
	type name string
	a := must(NewVec[[2]name, Gauge](VecConfig{Labels: []string{"x", "y"}}))
	a.With([2]name{"1", ""}).Set(2)
	require.NoError(t, r.Register("a", "h", a))
	assert.Contains(t, textOf(t, r), `a{x="1",y=""} 2`)
}

// Sorted by values, not by how the lines look: a quotation mark ends a value, and sorts after a space.
func TestSeriesAreSortedByValue(t *testing.T) {
	var v Vec[route, Gauge]
	for _, l := range []route{{"a b", "1"}, {"a", "2"}, {"", "z"}, {"a", "10"}, {"a\n", "0"}, {"b", ""}, {"a!", "3"}} {
		v.With(l).Set(1)
	}
	r := must(New(Config{}))
	require.NoError(t, r.Register("v", "h", &v))
	page, err := parseStrictly(textOf(t, r), false)
	require.NoError(t, err)
	var got []route
	for _, s := range page[0].samples {
		got = append(got, route{s.labels[0][1], s.labels[1][1]})
	}
	assert.Equal(t, []route{{"", "z"}, {"a", "10"}, {"a", "2"}, {"a\n", "0"}, {"a b", "1"}, {"a!", "3"}, {"b", ""}}, got)
}
