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

// identity is what the state file holds: who the device is, or how it is about to register.
type identity struct {
	DeviceID     string `json:"deviceId,omitempty"`
	DeviceSecret string `json:"deviceSecret,omitempty"`

	// Registering is written before a code is sent, so that a lost answer can be asked for
	// again, also by the next process.
	Registering *registering `json:"registering,omitempty"`
}

type registering struct {
	ActivationCode string `json:"activationCode"`
	IdempotencyKey string `json:"idempotencyKey"`
}

func (i identity) registered() bool { return i.DeviceID != "" && i.DeviceSecret != "" }

// readIdentity reads the state file; none is an empty identity.
func readIdentity(path string) (identity, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, fmt.Errorf("agent: reading the state file: %w", err)
	}
	var me identity
	if err := json.Unmarshal(text, &me); err != nil {
		return identity{}, damaged(path, err.Error())
	}
	if !me.registered() && me.Registering == nil {
		return identity{}, damaged(path, "it holds no identity")
	}
	return me, nil
}

// damaged never tells what is in the file: it may be a secret.
func damaged(path, why string) error {
	return fmt.Errorf("%w: %s: %s; restore it, or remove it and register with a new activation code", ErrStateDamaged, path, why)
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

// identify gives the identity of the device, and gets one if it has none yet.
func (a *Agent) identify(ctx context.Context) (identity, error) {
	me, err := readIdentity(a.config.StateFile)
	if err != nil || me.registered() {
		return me, err
	}
	pending, err := a.prepare(me.Registering)
	if err != nil {
		return identity{}, err
	}
	granted, err := a.register(ctx, pending)
	if err != nil {
		return identity{}, err
	}
	a.config.Logger.Info("registered", "deviceId", granted.DeviceID)
	me = identity{DeviceID: granted.DeviceID, DeviceSecret: granted.DeviceSecret}
	return me, me.write(a.config.StateFile)
}

// prepare writes down with which key the code is sent. A new code is a new request.
func (a *Agent) prepare(pending *registering) (*registering, error) {
	code := a.config.ActivationCode
	if pending != nil && (code == "" || code == pending.ActivationCode) {
		return pending, nil
	}
	if code == "" {
		return nil, ErrNotRegistered
	}
	pending = &registering{ActivationCode: code, IdempotencyKey: rand.Text()}
	return pending, identity{Registering: pending}.write(a.config.StateFile)
}

// register repeats the request until it is answered. The gateway gives the same secret
// again for 15 minutes.
func (a *Agent) register(ctx context.Context, pending *registering) (fieldgate.RegisteredDevice, error) {
	request := fieldgate.RegisterDeviceRequest{ActivationCode: pending.ActivationCode, Metadata: a.config.Metadata}
	for wait := (backoff{}); ; {
		granted, err := a.gateway.Register(ctx, request, fieldgate.WithIdempotencyKey(pending.IdempotencyKey))
		switch {
		case err == nil && granted.DeviceID != "" && granted.DeviceSecret != "":
			return granted, nil
		case err == nil:
			err = errors.New("the answer holds no identity")
		case fieldgate.CodeOf(err) == fieldgate.CodeInvalidActivationCode:
			return granted, fmt.Errorf("%w (%w)", ErrCodeRefused, err)
		case settled(err):
			return granted, fmt.Errorf("agent: registering: %w", err)
		}
		a.config.Logger.Warn("registering failed, trying again", "error", err)
		if !wait.pause(ctx, err) {
			return granted, context.Cause(ctx)
		}
	}
}
