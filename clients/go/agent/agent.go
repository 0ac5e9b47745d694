package agent

import (
	"context"
	"errors"
	"fmt"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// An Agent runs a device. Create it with New, add handlers with Handle, and start it with Run.
type Agent struct {
	config   Config
	gateway  *fieldgate.Gateway
	handlers map[string]registered
	machine  machine // that the agent runs on, read once
}

// New returns an agent with the given configuration, or an error if the configuration is
// invalid. It does not connect to the gateway and writes no file.
func New(config Config) (*Agent, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	options := []fieldgate.Option{
		fieldgate.WithUserAgent(userAgent(config.Version)),
		fieldgate.WithTimeout(config.RequestTimeout), fieldgate.WithMinRate(config.MinRate),
	}
	if config.Transport != nil {
		options = append(options, fieldgate.WithTransport(config.Transport))
	}
	gateway, err := fieldgate.New(config.URL, options...)
	if err != nil {
		return nil, err
	}
	return &Agent{config: config, gateway: gateway, handlers: map[string]registered{}, machine: thisMachine()}, nil
}

func userAgent(version string) string {
	if version == "" {
		return "fieldgate-agent"
	}
	return "fieldgate-agent/" + version
}

// Handle registers the handler for a command type, such as "diagnostic.dns". It replaces an
// earlier handler for the type. It must not be called after Run. Commands of a type without a
// handler fail with [CodeUnknownType].
func (a *Agent) Handle(commandType string, handler Handler, options ...HandlerOption) {
	r := registered{handler: handler, timeout: DefaultTimeout}
	for _, option := range options {
		option(&r)
	}
	a.handlers[commandType] = r
}

// The errors of Run that an operator has to resolve before another Run can succeed. Run also
// returns errors of the file system.
var (
	ErrNotRegistered = errors.New("agent: the device is not registered: set an activation code")
	ErrCodeRefused   = errors.New("agent: the gateway refused the activation code: it is wrong, used or expired; set a new one")
	ErrStateDamaged  = errors.New("agent: the state file is damaged")
	ErrCopied        = errors.New("agent: the state file was copied from another machine")
	ErrInUse         = errors.New("agent: another agent is using this state file: stop it first")
)

// Run claims and runs commands until ctx ends. Then it shuts down and returns nil. During the
// shutdown, Run releases the commands that have not started. It waits for running handlers for
// up to Config.Grace, and submits results for a few seconds. Results that it cannot submit stay
// in the journal, and the next Run submits them.
//
// Run retries while the gateway is unreachable or refuses the device. The delays are random.
// They grow to one minute, or to five minutes while the device is refused.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := lockState(a.config.StateFile)
	if err != nil {
		return err
	}
	defer unlock()
	journal, err := openJournal(a.config.StateFile+".journal", a.machine.id(), lockFile, a.config.Logger)
	if err != nil {
		return fmt.Errorf("agent: opening the journal: %w", err)
	}
	defer journal.close()
	device, err := a.identify(ctx, journal.health())
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	newWorker(a, device, journal).run(ctx)
	return nil
}
