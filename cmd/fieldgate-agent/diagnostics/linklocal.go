package diagnostics

import (
	"errors"
	"net/netip"
	"syscall"
)

// errLinkLocal is the error for an address that diagnostic.http refuses.
var errLinkLocal = errors.New("link-local addresses are refused, because cloud metadata services return secrets there; use another address")

// metadataIPv6 is the IPv6 address of the metadata service of Amazon EC2. The service's IPv4
// address, 169.254.169.254, is link-local.
var metadataIPv6 = netip.MustParseAddr("fd00:ec2::254")

// refuseLinkLocal is the Control function of a net.Dialer. It returns errLinkLocal for a
// link-local address and for metadataIPv6. It checks the resolved address, so a host name that
// resolves to a refused address is refused too.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := target.Addr().Unmap().WithZone(""); ip.IsLinkLocalUnicast() || ip == metadataIPv6 {
		return errLinkLocal
	}
	return nil
}
