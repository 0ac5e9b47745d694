package request

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostPattern matches the host of an origin: an IPv6 address in brackets, or a name or an IPv4
// address in lower case. International names are in Punycode.
var hostPattern = regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?)$`)

// defaultPorts maps a scheme to the port that an origin omits.
var defaultPorts = map[string]string{"https": "443", "http": "80"}

// IsOrigin reports whether text is the origin of a web page (RFC 6454, section 6.2), written as
// browsers write it: "https" or "http", a host and, unless it is the default, a port. The case
// is lower, and there is no path and no user information.
func IsOrigin(text string) bool {
	scheme, authority, _ := strings.Cut(text, "://")
	defaultPort, web := defaultPorts[scheme]
	parsed, err := url.Parse(text)
	if !web || err != nil || parsed.Host != authority {
		return false
	}
	host, port, hasPort := authority, parsed.Port(), false
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, hasPort = authority[:i], true
	}
	return hostPattern.MatchString(host) && (!hasPort || port != defaultPort && isPort(port))
}

// DefaultPort returns the port that an origin with the scheme omits, or "" if no page has such
// an origin.
func DefaultPort(scheme string) string { return defaultPorts[scheme] }

// isPort reports whether text is a port between 1 and 65535 without leading zeros.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == text
}
