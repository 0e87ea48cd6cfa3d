package ratelimithttp

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientIP keys by the address of the client.
//
// Without trusted proxies that is the peer of the connection, and no header is
// read: whoever can write a header could be anybody. If the peer is in one of
// the trusted prefixes, X-Forwarded-For is walked from its end, where the
// nearest proxy wrote: trusted addresses are passed over, and the first other
// one is the client. The walk stops before an entry that is not an address, and
// the last good one counts; if all are trusted it is the first. No other header
// (X-Real-IP, True-Client-IP, Forwarded) is read.
//
// An IPv4-mapped IPv6 address is that IPv4 address. An IPv6 address is the /64
// that it is in, "2001:db8:1:2::/64": a customer commonly has all of it. A
// connection without an address (a unix socket) is an error.
//
// List the networks of your proxies, not those of your clients: an entry that is
// too wide lets a client choose its key.
func ClientIP(trusted ...netip.Prefix) KeyFunc {
	prefixes := proxies(nil)
	for _, p := range trusted {
		prefixes = append(prefixes, unmapped(p))
	}
	return func(r *http.Request) (string, error) {
		client, err := peer(r.RemoteAddr)
		if err != nil {
			return "", err
		}
		if prefixes.trust(client) {
			client = prefixes.walk(client, r.Header["X-Forwarded-For"])
		}
		return text(client), nil
	}
}

// peer reads an address with or without a port.
func peer(remote string) (netip.Addr, error) {
	if both, err := netip.ParseAddrPort(remote); err == nil {
		return plain(both.Addr()), nil
	}
	if inside, ok := strings.CutPrefix(remote, "["); ok && strings.HasSuffix(inside, "]") {
		remote = strings.TrimSuffix(inside, "]")
	}
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("peer %q has no address", remote)
	}
	return plain(addr), nil
}

// plain drops what does not say who the peer is: zone and mapping.
func plain(addr netip.Addr) netip.Addr { return addr.WithZone("").Unmap() }

// unmapped turns a prefix of IPv4-mapped addresses into one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// proxies are the networks whose word is taken.
type proxies []netip.Prefix

func (p proxies) trust(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// walk goes through the hops from the nearest to the farthest, starting from a
// peer that is trusted. The header lines count as one list.
func (p proxies) walk(client netip.Addr, lines []string) netip.Addr {
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			var hop string
			line, hop, more = cutLast(line)
			addr, ok := address(hop)
			if !ok {
				return client
			}
			client = addr
			if !p.trust(client) {
				return client
			}
		}
	}
	return client
}

// cutLast splits the last entry off a list.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// address reads an entry of the list, which may have a port.
func address(entry string) (netip.Addr, bool) {
	addr, err := peer(strings.Trim(entry, " \t"))
	return addr, err == nil
}

// text is the key of an address.
func text(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	network, _ := addr.Prefix(64) // cannot fail: 64 bits of 128
	return network.String()
}
