package agent

import (
	"context"
	"errors"
	"fmt"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// An Agent is a device at work. Make it with New, say what it can do with Handle, and
// Run it.
type Agent struct {
	config   Config
	gateway  *fieldgate.Gateway
	handlers map[string]registered
}

// New makes an agent. Nothing is sent or written yet.
func New(config Config) (*Agent, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	options := []fieldgate.Option{fieldgate.WithUserAgent(userAgent(config.Version))}
	if config.Transport != nil {
		options = append(options, fieldgate.WithTransport(config.Transport))
	}
	gateway, err := fieldgate.New(config.URL, options...)
	if err != nil {
		return nil, err
	}
	return &Agent{config: config, gateway: gateway, handlers: map[string]registered{}}, nil
}

func userAgent(version string) string {
	if version == "" {
		return "fieldgate-agent"
	}
	return "fieldgate-agent/" + version
}

// Handle says who does the commands of a type, such as "diagnostic.dns". A second handler
// for a type replaces the first. Call it before Run. Commands of other types are answered
// as failed with [CodeUnknownType].
func (a *Agent) Handle(commandType string, handler Handler, options ...HandlerOption) {
	r := registered{handler: handler, timeout: DefaultTimeout}
	for _, option := range options {
		option(&r)
	}
	a.handlers[commandType] = r
}

// Errors with which Run ends, besides those of the file system. None goes away by itself.
var (
	ErrNotRegistered = errors.New("agent: this device has no identity yet: an activation code is needed")
	ErrCodeRefused   = errors.New("agent: the gateway does not take this activation code: it is wrong, used or expired; ask for a new one")
	ErrStateDamaged  = errors.New("agent: the state file cannot be read")
	ErrInUse         = errors.New("agent: another agent uses this state file")
)

// Run works until the context ends, and then returns nil: it gives back what it has not
// begun, lets handlers finish for the Grace of the configuration, and tries for a few
// seconds to report what came of them; what cannot be reported is the next time.
//
// A gateway that cannot be reached, or that refuses the device for now, is tried again for
// as long as it takes, with waits that are random and grow to a minute, and to five where
// the device is refused.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := lock(a.config.StateFile + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	me, err := a.identify(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	journal, err := openJournal(a.config.StateFile+".journal", machine(), a.config.Logger)
	if err != nil {
		return fmt.Errorf("agent: opening the journal: %w", err)
	}
	defer journal.close()
	newShift(a, me, journal).run(ctx)
	return nil
}
