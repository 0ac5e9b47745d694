package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Registration is a device's first call.
type Registration struct {
	Code           string            // as it was typed: case, dashes and spaces do not matter
	DeviceID       string            // the code is then good for this device only; may be empty
	Metadata       map[string]string // what the device says of itself: model, firmwareVersion, others
	Addr           string            // where it comes from, for the audit
	RequestID      string
	IdempotencyKey string // repeats the answer for Config.RepeatWithin; empty: no memory
}

// Registered is a device's identity.
type Registered struct {
	DeviceID     string
	Secret       string // it is in no other answer
	RegisteredAt time.Time
}

// Register exchanges an activation code for a secret. A device that registers
// again, with a new code, gets a new secret; the old one and its logins end.
// Refusals: invalid_activation_code, the same whether the code is wrong, used,
// expired, dead or another device's; idempotency_key_reused.
func (r *Registry) Register(ctx context.Context, g Registration) (Registered, error) {
	code, ok := readCode(g.Code)
	if !ok {
		return Registered{}, refuse(fieldgate.CodeInvalidActivationCode, "malformed")
	}
	device, err := r.deviceOf(ctx, r.keys.hashCode(code))
	if err != nil {
		return Registered{}, err
	}
	if g.DeviceID != "" && g.DeviceID != device.ID {
		return Registered{}, refuse(fieldgate.CodeInvalidActivationCode, "another device's")
	}
	keys, args, err := r.registration(g, device, code)
	if err != nil {
		return Registered{}, err
	}
	reply, err := r.run(ctx, registerScript, keys, args)
	if err != nil {
		return Registered{}, err
	}
	secret, err := r.keys.secretSeal(code).open(reply.String(2), device.ID)
	return Registered{DeviceID: device.ID, Secret: secret, RegisteredAt: moment(reply.String(3))}, err
}

// deviceOf finds the device that a code was issued for. Whether the code is in
// force, only the device's record can tell.
func (r *Registry) deviceOf(ctx context.Context, hash string) (store.Device, error) {
	var pointer string
	err := r.store.Do(ctx, "find_activation", func(ctx context.Context, c store.Client) (err error) {
		pointer, err = c.Get(ctx, store.ActivationKey(hash)).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return store.Device{}, refuse(fieldgate.CodeInvalidActivationCode, "unknown")
	}
	if err != nil {
		return store.Device{}, fmt.Errorf("finding the device of a code: %w", err)
	}
	tenant, id, _ := strings.Cut(pointer, " ")
	return store.Device{Tenant: tenant, ID: id}, nil
}

// registration writes what register.lua takes.
func (r *Registry) registration(g Registration, device store.Device, code string) (keys []string, args []any, err error) {
	secret, hash := randomText(), r.keys.hashCode(code)
	sealed, err := r.keys.secretSeal(code).close(secret, device.ID)
	if err != nil {
		return nil, nil, err
	}
	metadata, err := pack(g.Metadata)
	if err != nil {
		return nil, nil, err
	}
	mark, err := fingerprint("register", hash, g.DeviceID, metadata)
	if err != nil {
		return nil, nil, err
	}
	keys = append(device.Keys(), statusKey(device.Tenant, Provisioned), statusKey(device.Tenant, Active))
	if g.IdempotencyKey != "" {
		keys = append(keys, device.RegistrationKey(store.DigestOf(g.IdempotencyKey)))
	}
	return keys, r.scope(device, store.ActorDevice(device.ID), g.RequestID).Args(
		hash, hashOf(secret), sealed, metadata, g.Metadata["model"], g.Metadata["firmwareVersion"], g.Addr,
		mark, r.cfg.RepeatWithin.Milliseconds(),
	), nil
}
