package diagnostics

import (
	"net/netip"
	"regexp"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// longest is how long a diagnostic may take.
const longest = 2 * time.Minute

// hostName is what is taken for the name of a host (RFC 1123, section 2.1, and "_" as in
// names of services). It begins with no "-", so that no program takes it for an option.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$`)

const maxHost = 253

// checkHost takes names and addresses.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil && len(host) <= maxHost {
		return nil
	}
	if len(host) > maxHost || !hostName.MatchString(host) {
		return agent.Fail(agent.CodeInvalidParameters, "host must be the name or address of a host")
	}
	return nil
}

func checkPort(port int) error {
	if port < 1 || port > 65535 {
		return agent.Fail(agent.CodeInvalidParameters, "port must be from 1 to 65535")
	}
	return nil
}

func since(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Microsecond) }

// milliseconds is how durations are written in the data of results.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
