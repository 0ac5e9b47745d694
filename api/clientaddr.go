package api

import (
	"iter"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fieldgate/fieldgate/listen"
)

// trustedProxies are the networks whose X-Forwarded-For is trusted.
type trustedProxies []netip.Prefix

// clientAddr returns the address of the client: the last address in X-Forwarded-For that does not
// belong to a trusted proxy. The client can forge all earlier entries. The zero Addr means that
// the address is not known.
func (t trustedProxies) clientAddr(r *http.Request) netip.Addr {
	addr := parseAddr(r.RemoteAddr)
	for entry := range reversedEntries(r.Header["X-Forwarded-For"]) {
		if !t.trusts(addr) {
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

func (t trustedProxies) trusts(addr netip.Addr) bool { return listen.IsAmong(t, addr) }

// warnOfForwarded logs the first X-Forwarded-For that is ignored, because its peer is not a trusted
// proxy. All clients then share the limits of the peer, if it is a proxy. Only the first is logged,
// because any client may send the header.
func (e *edge) warnOfForwarded(r *http.Request) {
	if len(r.Header["X-Forwarded-For"]) == 0 || e.forwarded.Load() {
		return
	}
	peer := parseAddr(r.RemoteAddr)
	if !e.proxies.trusts(peer) && e.forwarded.CompareAndSwap(false, true) {
		e.logger.WarnContext(r.Context(), "ignoring X-Forwarded-For of an address that is not a trusted proxy: if it is one, set its network; a client may also have sent the header itself",
			"peer", peer.String(), "setting", "FIELDGATE_TRUSTED_PROXIES")
	}
}

// reversedEntries returns the comma-separated entries of a header from last to first. The
// header may have several lines.
func reversedEntries(lines []string) iter.Seq[string] {
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

// parseAddr parses an address with or without a port. It converts an IPv4-mapped IPv6 address
// to IPv4, because it is the same client. It removes the zone, which has a meaning on the local
// host only.
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
