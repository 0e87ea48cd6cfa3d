package ratelimithttp

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// proxied is a request that came from a peer, with lines of X-Forwarded-For.
func proxied(peer string, lines ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, line := range lines {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

var balancers = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestClientIP(t *testing.T) {
	tests := []struct {
		name string
		r    *http.Request
		want string
	}{
		{"peer with port", proxied("192.0.2.7:1234"), "192.0.2.7"},
		{"peer without port", proxied("192.0.2.7"), "192.0.2.7"},
		{"IPv6 peer is its network", proxied("[2001:db8:1:2:3:4:5:6]:443"), "2001:db8:1:2::/64"},
		{"IPv6 peer without port", proxied("2001:db8:1:2:3::"), "2001:db8:1:2::/64"},
		{"IPv6 peer in brackets", proxied("[2001:db8:1:2:3::]"), "2001:db8:1:2::/64"},
		{"mapped peer", proxied("[::ffff:192.0.2.7]:443"), "192.0.2.7"},
		{"zone", proxied("[fe80::1%eth0]:443"), "fe80::/64"},
		{"untrusted peer, header not read", proxied("192.0.2.7:1234", "198.51.100.1"), "192.0.2.7"},
		{"trusted peer", proxied("10.0.0.1:1234", "198.51.100.1"), "198.51.100.1"},
		{"mapped trusted peer", proxied("[::ffff:10.0.0.1]:1234", "198.51.100.1"), "198.51.100.1"},
		{"trusted IPv6 peer", proxied("[fd00::1]:1234", "2001:db8::1"), "2001:db8::/64"},
		{"trusted peer without header", proxied("10.0.0.1:1234"), "10.0.0.1"},
		{"several hops", proxied("10.0.0.1:1234", "198.51.100.1, 10.1.1.1 ,\t10.2.2.2"), "198.51.100.1"},
		{"spoofed entries before the client", proxied("10.0.0.1:1", "1.1.1.1, 10.9.9.9, 198.51.100.1, 10.1.1.1"), "198.51.100.1"},
		{"spoofed line before ours", proxied("10.0.0.1:1", "1.1.1.1", "198.51.100.1"), "198.51.100.1"},
		{"lines are one list", proxied("10.0.0.1:1", "198.51.100.1, 10.3.3.3", "10.1.1.1"), "198.51.100.1"},
		{"all are trusted", proxied("10.0.0.1:1", "10.7.7.7, 10.1.1.1"), "10.7.7.7"},
		{"entry with port", proxied("10.0.0.1:1", "198.51.100.1:8080"), "198.51.100.1"},
		{"IPv6 entry with port", proxied("10.0.0.1:1", "[2001:db8::1]:8080"), "2001:db8::/64"},
		{"mapped entry", proxied("10.0.0.1:1", "198.51.100.1, ::ffff:10.1.1.1"), "198.51.100.1"},
		{"garbage stops the walk", proxied("10.0.0.1:1", "198.51.100.1, unknown, 10.1.1.1"), "10.1.1.1"},
		{"garbage next to us", proxied("10.0.0.1:1", "198.51.100.1, _hidden"), "10.0.0.1"},
		{"empty entry", proxied("10.0.0.1:1", "198.51.100.1,,10.1.1.1"), "10.1.1.1"},
		{"empty line", proxied("10.0.0.1:1", ""), "10.0.0.1"},
		{"half a bracket", proxied("10.0.0.1:1", "[2001:db8::1"), "10.0.0.1"},
	}
	key := ClientIP(balancers...)
	for _, tt := range tests {
		got, err := key(tt.r)
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.want, got, tt.name)
	}
}

func TestClientIPTrustsNobodyByDefault(t *testing.T) {
	got, err := ClientIP()(proxied("10.0.0.1:1", "198.51.100.1"))
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1", got)
}

func TestClientIPOfMappedPrefix(t *testing.T) {
	got, err := ClientIP(netip.MustParsePrefix("::ffff:10.0.0.0/104"))(proxied("10.0.0.1:1", "198.51.100.1"))
	require.NoError(t, err)
	assert.Equal(t, "198.51.100.1", got)
}

// GHSA-9g5q-2w5x-hmxf, GHSA-rjr7-jggh-pgcp, GHSA-3fxj-6jh8-hvhx (go-chi): headers that anybody can send named the client.
func TestRegressionOtherHeadersAreNotRead(t *testing.T) {
	for _, name := range []string{"X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "Forwarded", "X-Client-IP"} {
		r := proxied("10.0.0.1:1")
		r.Header.Set(name, "1.1.1.1")
		got, err := ClientIP(balancers...)(r)
		require.NoError(t, err)
		assert.Equal(t, "10.0.0.1", got, name)
	}
}

func TestClientIPWithoutAddress(t *testing.T) {
	for _, remote := range []string{"", "@", "/run/app.sock", "localhost:80", "[]", "[::1"} {
		got, err := ClientIP()(proxied(remote))
		require.Error(t, err, remote)
		assert.Empty(t, got)
	}
}

// Whatever the header says, the key is an address that can be told from its text, and what stands to the left of an
// untrusted hop changes nothing.
func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1:1", "198.51.100.1, 10.1.1.1")
	f.Add("10.0.0.1:1", ",,,")
	f.Add("[fd00::1]:1", "[2001:db8::1]:80,garbage")
	f.Fuzz(func(t *testing.T, peer, list string) {
		key := ClientIP(balancers...)
		got, err := key(proxied(peer, list))
		if err != nil {
			return
		}
		addr, isNetwork := strings.CutSuffix(got, "/64")
		parsed, err := netip.ParseAddr(addr)
		require.NoError(t, err)
		require.Equal(t, isNetwork, parsed.Is6())
		if !proxies(balancers).trust(parsed) {
			spoofed, err := key(proxied(peer, "1.1.1.1, "+list))
			require.NoError(t, err)
			require.Equal(t, got, spoofed)
		}
	})
}
