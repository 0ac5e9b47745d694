package diagnostics

import (
	"errors"
	"net/netip"
	"syscall"
)

// errLinkLocal is the error for an address that diagnostic.http refuses.
var errLinkLocal = errors.New("link-local addresses are refused, because cloud metadata services return secrets there; use another address")

// metadataIPv6 is the address of the metadata service of Amazon EC2 over IPv6. Over IPv4 it is
// 169.254.169.254, which is link-local.
var metadataIPv6 = netip.MustParseAddr("fd00:ec2::254")

// refuseLinkLocal is the Control function of a net.Dialer. It returns errLinkLocal for a link-local
// address and for metadataIPv6. It checks the resolved address, so that no host name leads
// around it.
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
