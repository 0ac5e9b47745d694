package diagnostics

import (
	"errors"
	"net/netip"
	"syscall"
)

// errLinkLocal is why an address is not asked for a page.
var errLinkLocal = errors.New("link-local addresses are not asked: there are the services that tell a machine its secrets")

// metadataIPv6 is where Amazon's clouds have what others have at 169.254.169.254.
var metadataIPv6 = netip.MustParseAddr("fd00:ec2::254")

// refuseLinkLocal is a net.Dialer's Control: it sees the address that a name has led to.
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
