package diagnostics

import (
	"net/netip"
	"regexp"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// parseParameters decodes the parameters of a command and checks their values.
func parseParameters[T interface{ check() error }](command agent.Command) (T, error) {
	params, err := agent.Parameters[T](command)
	if err == nil {
		err = params.check()
	}
	return params, err
}

// hostName matches host names as in RFC 1123, section 2.1, and also "_", which service names
// use. A name cannot begin with "-", so that no program takes it for an option.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$`)

const maxHost = 253

// checkHost returns an error unless host is a host name or an IP address. It refuses addresses
// with a zone, because a zone may contain any character.
func checkHost(host string) error {
	if address, err := netip.ParseAddr(host); err == nil && address.Zone() == "" {
		return nil
	}
	if len(host) > maxHost || !hostName.MatchString(host) {
		return agent.Fail(agent.CodeInvalidParameters, "host must be a host name or an IP address without a zone")
	}
	return nil
}

func checkPort(port int) error {
	if port < 1 || port > 65535 {
		return agent.Fail(agent.CodeInvalidParameters, "port must be from 1 to 65535")
	}
	return nil
}

// noParameters is the parameter type of commands without parameters.
type noParameters struct{}

func (noParameters) check() error { return nil }

// since returns the time since start, rounded to 10 microseconds.
func since(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Microsecond) }

// milliseconds returns a duration in milliseconds, the unit of durations in results.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
