package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Config is the configuration of an agent. URL and StateFile are required.
type Config struct {
	// URL is the address of the gateway, such as "https://gateway.example.com".
	URL string

	// StateFile is the path of the file with the identity of the device. Its directory must
	// exist and survive a reboot. The journal and the reserve are created beside it, as
	// StateFile.journal and StateFile.journal.reserve, and the roster as StateFile.roster.
	StateFile string

	// ActivationCode registers a device that has no identity yet. A registered device ignores
	// ActivationCode, so the code may stay in a configuration file.
	ActivationCode string

	// Metadata is sent when the device registers. Default: only the Version.
	Metadata fieldgate.DeviceMetadata

	// Version is the version of the firmware or program. Users see it. Default: none.
	Version string

	// Concurrency is the maximum number of commands that run at a time, at most 64. Use more
	// than one only if the handlers do not affect each other: the commands of a device share
	// its disk, network and services, and a command that restarts a service spoils the result
	// of a command that inspects the service. Default: 1.
	Concurrency int

	// Lease is how long a claim lasts without an extension, from 3 s to 1 h. The agent extends
	// the claim after each third of the lease. With a shorter lease, the gateway notices sooner
	// that a device died while it ran a command. Default: 60 s.
	Lease time.Duration

	// Grace is how long handlers may continue after the shutdown has begun. After that time,
	// their contexts end with ErrShutdown. Grace is also how long a handler may continue after
	// its context has ended for another reason. After that time, the agent abandons the
	// handler: see Timeout. Default: 10 s.
	Grace time.Duration

	// PollWait is how long a claim over HTTP waits for a command, at most 30 s. It must be
	// shorter than the idle timeout of each proxy between agent and gateway. Claims that return
	// no command are at least 1 s apart, even if the gateway does not wait. Default: 25 s.
	PollWait time.Duration

	// RequestTimeout limits the duration of each request to the gateway: see
	// fieldgate.WithTimeout. Default: fieldgate.DefaultTimeout.
	RequestTimeout time.Duration

	// MinRate is the rate of the link in bytes a second below which a large result counts as
	// lost: see fieldgate.WithMinRate. Default: fieldgate.DefaultMinRate.
	MinRate int

	// PollOnly disables the socket. Default: the agent uses a socket, and polls over HTTP
	// while none is connected.
	PollOnly bool

	// Transport configures the connections to the gateway: certificates, proxy and dialers.
	// Default: http.DefaultTransport.
	Transport *http.Transport

	// Trust holds the conditions under which the device runs commands. Default: none.
	Trust Trust

	// Metrics returns the metrics for the next heartbeat. The heartbeat waits until Metrics
	// returns. If the metrics cannot be sent, for example because a value is NaN, the heartbeat
	// is sent without metrics. Default: nil, no metrics.
	Metrics func() fieldgate.Metrics

	// Logger receives the log. The log contains no secrets, no parameters and no output of
	// commands. Default: slog.Default().
	Logger *slog.Logger
}

// Bounds of the values in a Config.
const (
	maxConcurrency = 64
	minLease       = 3 * time.Second
	maxLease       = time.Hour
	maxPollWait    = 30 * time.Second
)

// withDefaults returns c with the defaults in place of zero values. It returns an error if a
// value is invalid.
func (c Config) withDefaults() (Config, error) {
	c.Concurrency = cmp.Or(c.Concurrency, 1)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.PollWait = cmp.Or(c.PollWait, 25*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, fieldgate.DefaultTimeout)
	c.MinRate = cmp.Or(c.MinRate, fieldgate.DefaultMinRate)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Trust = c.Trust.withDefaults()
	if c.Metadata.FirmwareVersion == "" {
		c.Metadata.FirmwareVersion = c.Version
	}
	return c, c.check()
}

func (c Config) check() error {
	switch {
	case c.StateFile == "":
		return errors.New("agent: StateFile is required")
	case c.Concurrency < 1 || c.Concurrency > maxConcurrency:
		return fmt.Errorf("agent: Concurrency must be from 1 to %d", maxConcurrency)
	case c.Lease < minLease || c.Lease > maxLease:
		return fmt.Errorf("agent: Lease must be from %s to %s", minLease, maxLease)
	case c.Grace < 0:
		return errors.New("agent: Grace must not be negative")
	case c.RequestTimeout < 0 || c.MinRate < 0:
		return errors.New("agent: RequestTimeout and MinRate must not be negative")
	case c.PollWait < 0 || c.PollWait > maxPollWait:
		return fmt.Errorf("agent: PollWait must be from 0 to %s", maxPollWait)
	}
	return c.Trust.validate()
}
