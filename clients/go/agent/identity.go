package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// identity is the content of the state file. It holds the credentials of the device, or the
// pending registration of a device without credentials.
type identity struct {
	DeviceID     string `json:"deviceId,omitempty"`
	DeviceSecret string `json:"deviceSecret,omitempty"`

	// Machine is the one to which the identity or the registration belongs, as it was at the last start. It is nil if an
	// earlier version has registered the device, or if no number of its hardware could be read.
	Machine *machine `json:"machine,omitempty"`

	// Registering is stored before the activation code is sent. If the response is lost, the
	// same request can then be repeated, even after a restart.
	Registering *registration `json:"registering,omitempty"`
}

type registration struct {
	ActivationCode string `json:"activationCode"`
	IdempotencyKey string `json:"idempotencyKey"`
}

func (i identity) isRegistered() bool { return i.DeviceID != "" && i.DeviceSecret != "" }

// readIdentity reads the state file. It returns a zero identity if the file does not exist, and
// ErrStateDamaged if the file holds no valid identity.
func readIdentity(path string) (identity, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, fmt.Errorf("agent: reading the state file: %w", err)
	}
	var device identity
	if err := json.Unmarshal(text, &device); err != nil {
		return identity{}, stateDamaged(path, err.Error())
	}
	if !device.isRegistered() && device.Registering == nil {
		return identity{}, stateDamaged(path, "it holds no identity")
	}
	return device, nil
}

// stateDamaged returns an ErrStateDamaged. The reason must not quote the file, which may hold
// the secret of the device.
func stateDamaged(path, reason string) error {
	return fmt.Errorf("%w: %s: %s; restore it, or remove it and register with a new activation code", ErrStateDamaged, path, reason)
}

func (i identity) write(path string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("agent: writing the state file: %w", err)
	}
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("agent: writing the state file: %w", err)
	}
	return nil
}

// identify returns the identity in the state file. If the device has no identity yet, identify
// registers it first. writeErr is the reason why the directory of the state file cannot be
// written, or nil. A device that could not store its identity does not register.
func (a *Agent) identify(ctx context.Context, writeErr error) (identity, error) {
	device, err := readIdentity(a.config.StateFile)
	if err != nil {
		return device, err
	}
	if device.isRegistered() {
		return a.checkMachine(device, writeErr)
	}
	if writeErr != nil {
		return identity{}, fmt.Errorf("agent: the state of the device cannot be written: %w", writeErr)
	}
	pending := device.Registering
	if device.isCopiedTo(a.machine) {
		pending = nil // with the key of the original, the copy would get its identity
	}
	pending, err = a.prepareRegistration(pending)
	if err != nil {
		return identity{}, err
	}
	registered, err := a.register(ctx, pending)
	if err != nil {
		return identity{}, err
	}
	a.config.Logger.Info("registered", "device", registered.DeviceID)
	device = identity{DeviceID: registered.DeviceID, DeviceSecret: registered.DeviceSecret}.onMachine(a.machine)
	return device, device.write(a.config.StateFile)
}

// onMachine returns a copy of the identity that belongs to a machine.
func (i identity) onMachine(m machine) identity {
	i.Machine = nil
	if m.isKnown() {
		i.Machine = &m
	}
	return i
}

// isCopiedTo reports whether the identity belongs to another machine than m.
func (i identity) isCopiedTo(m machine) bool { return i.Machine != nil && i.Machine.isOther(m) }

// checkMachine returns ErrCopied if the identity belongs to another machine. Otherwise it records
// what has changed of this one, such as a replaced adapter. An identity that no machine is recorded for
// belongs to this one from now on.
func (a *Agent) checkMachine(device identity, writeErr error) (identity, error) {
	if device.isCopiedTo(a.machine) {
		return device, copied(device.DeviceID, a.config.StateFile)
	}
	recorded := machine{}
	if device.Machine != nil {
		recorded = *device.Machine
	}
	refreshed := recorded.refreshed(a.machine)
	if writeErr != nil || !refreshed.isKnown() || refreshed.equals(recorded) {
		return device, nil
	}
	log := a.config.Logger.With("device", device.DeviceID)
	if recorded.hasOtherAdapters(a.machine) {
		log.Warn("all network adapters of this machine are other ones than before: if its state was copied from another machine, reset it")
	}
	device = device.onMachine(refreshed)
	if err := device.write(a.config.StateFile); err != nil {
		log.Warn("recording the machine of this device failed", "error", err)
	}
	return device, nil
}

// copied returns an ErrCopied that says how to mend it.
func copied(deviceID, path string) error {
	return fmt.Errorf("%w: %s has the identity of %s; reset it and register this machine with an activation code of its own, "+
		"or adopt it if the other machine is out of service for good", ErrCopied, path, deviceID)
}

// Adopt records that the identity in a state file belongs to this machine. Use it when a disk was moved to
// this machine, and the machine that had it is out of service. Adopt returns ErrInUse while an agent
// uses the files, and ErrNotRegistered if there is no identity.
func Adopt(stateFile string) error {
	here := thisMachine()
	release, err := lockFiles(stateFile, here)
	if err != nil {
		return err
	}
	defer release()
	device, err := readIdentity(stateFile)
	if err != nil {
		return err
	}
	if !device.isRegistered() {
		return ErrNotRegistered
	}
	return device.onMachine(here).write(stateFile)
}

// prepareRegistration returns the registration to send. It returns pending, unless pending is
// nil or the configuration has another activation code. In these two cases it stores and returns
// a new registration. It returns ErrNotRegistered if there is no activation code at all.
func (a *Agent) prepareRegistration(pending *registration) (*registration, error) {
	code := a.config.ActivationCode
	if pending != nil && (code == "" || code == pending.ActivationCode) {
		return pending, nil
	}
	if code == "" {
		return nil, ErrNotRegistered
	}
	pending = &registration{ActivationCode: code, IdempotencyKey: rand.Text()}
	return pending, identity{Registering: pending}.onMachine(a.machine).write(a.config.StateFile)
}

// register sends the registration, and repeats it until the gateway accepts or refuses it. Until the
// device logs in, the gateway responds to the same idempotency key with the same secret.
func (a *Agent) register(ctx context.Context, pending *registration) (fieldgate.RegisteredDevice, error) {
	request := fieldgate.RegisterDeviceRequest{ActivationCode: pending.ActivationCode, Metadata: a.config.Metadata}
	for delay := (backoff{}); ; {
		registered, err := a.gateway.Register(ctx, request, fieldgate.WithIdempotencyKey(pending.IdempotencyKey))
		switch {
		case err == nil && registered.DeviceID != "" && registered.DeviceSecret != "":
			return registered, nil
		case err == nil:
			err = errors.New("the response holds no identity")
		case fieldgate.CodeOf(err) == fieldgate.CodeInvalidActivationCode:
			return registered, fmt.Errorf("%w (%w)", ErrCodeRefused, err)
		case isPermanent(err):
			return registered, fmt.Errorf("agent: registering: %w", err)
		}
		a.config.Logger.Warn("registering failed, trying again", "error", err)
		if !delay.sleep(ctx, err) {
			return registered, context.Cause(ctx)
		}
	}
}
