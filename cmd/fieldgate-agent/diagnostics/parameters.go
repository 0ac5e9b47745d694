package diagnostics

import (
	"net/netip"
	"regexp"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// parameters reads the parameters of a command and holds them against their rules.
func parameters[T interface{ check() error }](command agent.Command) (T, error) {
	wanted, err := agent.Parameters[T](command)
	if err == nil {
		err = wanted.check()
	}
	return wanted, err
}

// hostName is what is taken for the name of a host (RFC 1123, section 2.1, and "_" as in
// names of services). It begins with no "-", so that no program takes it for an option.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$`)

const maxHost = 253

// checkHost takes names and addresses, but no zones: those have characters of their own.
func checkHost(host string) error {
	if address, err := netip.ParseAddr(host); err == nil && address.Zone() == "" {
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

// nothing is the parameters of a command that takes none.
type nothing struct{}

func (nothing) check() error { return nil }

func since(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Microsecond) }

// milliseconds is how durations are written in the data of results.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
