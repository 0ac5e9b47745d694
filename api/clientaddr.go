package api

import (
	"iter"
	"net/http"
	"net/netip"
	"strings"
)

// trustedProxies are the networks whose word about their own peer is taken.
type trustedProxies []netip.Prefix

// client finds the address that the request came from: the last one in
// X-Forwarded-For that is not a trusted proxy's. Everything left of it was written by
// the client and proves nothing. The zero Addr means that it cannot be told.
func (t trustedProxies) client(r *http.Request) netip.Addr {
	addr := parseAddr(r.RemoteAddr)
	for entry := range fromTheRight(r.Header["X-Forwarded-For"]) {
		if !t.trust(addr) {
			break
		}
		previous := parseAddr(entry)
		if !previous.IsValid() {
			break
		}
		addr = previous
	}
	return addr
}

func (t trustedProxies) trust(addr netip.Addr) bool {
	for _, network := range t {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// fromTheRight walks the comma-separated entries of a header, which may have several
// lines, from the last one to the first.
func fromTheRight(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(lines) - 1; i >= 0; i-- {
			line, comma := lines[i], 0
			for comma >= 0 {
				comma = strings.LastIndexByte(line, ',')
				if !yield(strings.TrimSpace(line[comma+1:])) {
					return
				}
				line = line[:max(comma, 0)]
			}
		}
	}
}

// parseAddr reads an address with or without a port. An IPv4 address in IPv6 form is
// the same client, and a zone means nothing outside of this host.
func parseAddr(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone("")
}
