package listen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// The bounds of headers, in bytes. The specification of the PROXY protocol
// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt) has the first two. The third leaves
// room for what a proxy adds, such as the name of the server and a certificate of the client.
const (
	shortestHeader = 15  // "PROXY UNKNOWN\r\n"
	longestV1      = 107 // with two addresses of IPv6, and the line break
	longestV2      = 4096
)

const (
	prefixV1    = "PROXY "
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// These are the fields of a header of version 2.
const (
	versionAndLocal   = 0x20 // a connection of the proxy itself, such as a check of health
	versionAndProxied = 0x21
	familyTCP4        = 0x11
	familyTCP6        = 0x21
	familyUDP4        = 0x12
	familyUDP6        = 0x22
)

var (
	errNoHeader  = errors.New("the connection does not begin with a header")
	errMalformed = errors.New("the header is malformed")
	errTooLong   = errors.New("the header is too long")
)

// parseHeader reads a header of either version, and nothing that follows it. So no buffer stays with
// an open connection. It returns the address of the client, which is invalid if the header has none:
// the proxy has then opened the connection for itself.
func parseHeader(r io.Reader) (client netip.AddrPort, err error) {
	var begin [shortestHeader]byte
	if _, err := io.ReadFull(r, begin[:]); err != nil {
		return client, err
	}
	switch {
	case bytes.HasPrefix(begin[:], []byte(prefixV1)):
		return parseV1(r, begin[:])
	case bytes.HasPrefix(begin[:], []byte(signatureV2)):
		return parseV2(r, begin[:])
	}
	return client, errNoHeader
}

// parseV1 parses a line such as "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443".
func parseV1(r io.Reader, begin []byte) (client netip.AddrPort, err error) {
	line, err := readLine(r, begin)
	if err != nil {
		return client, err
	}
	fields := strings.Split(line, " ")
	if len(fields) > 1 && fields[1] == "UNKNOWN" {
		return client, nil // the rest of the line has no meaning
	}
	if len(fields) != 6 {
		return client, errMalformed
	}
	source, ok := parseEndpoint(fields[1], fields[2], fields[4])
	if _, valid := parseEndpoint(fields[1], fields[3], fields[5]); !ok || !valid {
		return client, errMalformed
	}
	return source, nil
}

// readLine reads the rest of a line byte by byte, and returns the line without its break.
func readLine(r io.Reader, begin []byte) (string, error) {
	line := make([]byte, len(begin), longestV1)
	copy(line, begin)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longestV1 {
			return "", errTooLong
		}
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return "", err
		}
	}
	return string(line[:len(line)-2]), nil
}

// parseEndpoint parses an address and a port of version 1. family is "TCP4" or "TCP6".
func parseEndpoint(family, address, port string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(address)
	number, failed := strconv.ParseUint(port, 10, 16)
	sameFamily := family == "TCP4" && ip.Is4() || family == "TCP6" && ip.Is6()
	ok := err == nil && failed == nil && sameFamily && ip.Zone() == "" && strconv.FormatUint(number, 10) == port
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), ok
}

// parseV2 parses a binary header: the signature, a command, a family, a length, the addresses and
// further values, which the gateway does not use.
func parseV2(r io.Reader, begin []byte) (client netip.AddrPort, err error) {
	var fixed [16]byte
	copy(fixed[:], begin)
	if _, err := io.ReadFull(r, fixed[len(begin):]); err != nil {
		return client, err
	}
	command, family, length := fixed[12], fixed[13], int(binary.BigEndian.Uint16(fixed[14:]))
	switch {
	case command != versionAndLocal && command != versionAndProxied:
		return client, errMalformed
	case length > longestV2:
		return client, errTooLong
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return client, err
	}
	if command == versionAndLocal {
		return client, nil
	}
	return sourceV2(family, rest)
}

// sourceV2 returns the address of the client in a header of version 2. A family without an IP
// address, such as a Unix socket, has none.
func sourceV2(family byte, rest []byte) (client netip.AddrPort, err error) {
	switch {
	case family == familyTCP4 && len(rest) >= 12:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[:4])), binary.BigEndian.Uint16(rest[8:])), nil
	case family == familyTCP6 && len(rest) >= 36:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[:16])).Unmap(), binary.BigEndian.Uint16(rest[32:])), nil
	case family == familyTCP4, family == familyTCP6, family == familyUDP4, family == familyUDP6:
		return client, errMalformed
	}
	return client, nil
}
