package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Config says who the device is and how it works. Only URL and StateFile are needed.
type Config struct {
	// URL is where the gateway is, such as "https://gateway.example.com".
	URL string

	// StateFile is where the device keeps its identity. Its directory must exist and
	// survive a reboot; the journal and the lock lie beside it, as StateFile.journal and
	// StateFile.lock.
	StateFile string

	// ActivationCode registers a device that has no identity yet. One that has does not
	// use it, so it may stay in a configuration file.
	ActivationCode string

	// Metadata is what the device says of itself when it registers. Default: nothing but
	// the Version.
	Metadata fieldgate.DeviceMetadata

	// Version is that of the firmware or program, shown to the owner. Default: none.
	Version string

	// Concurrency is how many commands are worked on at a time, at most 64. Default: 1,
	// because commands for one device mean the same disk, network and services: one that
	// restarts what another one is looking at makes both results worthless. More is for
	// devices whose handlers do not meet.
	Concurrency int

	// Lease is how long a claim lasts without a sign of life, and so how soon others hear
	// that this device died at its work; from 3 s to 1 h. It is extended each third of it.
	// Default: 60 s.
	Lease time.Duration

	// Grace is how long handlers may go on once Run is to end. Then their contexts end
	// with ErrShutdown. It is also how long one may go on after its context has ended for
	// another reason, before it is given up, see Timeout. Default: 10 s.
	Grace time.Duration

	// PollWait is how long a claim over HTTP waits for a command, at most 30 s. It must be
	// shorter than what proxies on the way allow. Claims that find nothing are at least
	// 1 to 2 s apart, also where nothing waits. Default: 25 s.
	PollWait time.Duration

	// PollOnly keeps the device from opening a socket. Default: it uses one, and polls
	// while it cannot.
	PollOnly bool

	// Transport says how to reach the gateway: certificates, proxy, dialers. Default:
	// http.DefaultTransport.
	Transport *http.Transport

	// Metrics gives the readings of each heartbeat, which waits for them. Readings that
	// cannot be sent, such as NaN, leave a heartbeat without any. Default: none.
	Metrics func() fieldgate.Metrics

	// Logger hears what happens: no secret, parameter or output. Default: slog.Default().
	Logger *slog.Logger
}

// Bounds of the configuration.
const (
	maxConcurrency = 64
	minLease       = 3 * time.Second
	maxLease       = time.Hour
	maxPollWait    = 30 * time.Second
)

// complete fills the defaults in, or tells what cannot be meant.
func (c Config) complete() (Config, error) {
	c.Concurrency = or(c.Concurrency, 1)
	c.Lease = or(c.Lease, time.Minute)
	c.Grace = or(c.Grace, 10*time.Second)
	c.PollWait = or(c.PollWait, 25*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Metadata.FirmwareVersion == "" {
		c.Metadata.FirmwareVersion = c.Version
	}
	return c, c.check()
}

func (c Config) check() error {
	switch {
	case c.StateFile == "":
		return errors.New("agent: a StateFile is needed")
	case c.Concurrency < 1 || c.Concurrency > maxConcurrency:
		return fmt.Errorf("agent: Concurrency must be from 1 to %d", maxConcurrency)
	case c.Lease < minLease || c.Lease > maxLease:
		return fmt.Errorf("agent: Lease must be from %s to %s", minLease, maxLease)
	case c.Grace < 0:
		return errors.New("agent: Grace must not be negative")
	case c.PollWait < 0 || c.PollWait > maxPollWait:
		return fmt.Errorf("agent: PollWait must be at most %s", maxPollWait)
	}
	return nil
}

// or gives a value, or the default if it is zero.
func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
