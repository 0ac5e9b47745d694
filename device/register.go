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

// Registration is the first request of a device.
type Registration struct {
	Code           string            // activation code as the user typed it: case, dashes and spaces are ignored
	DeviceID       string            // if not empty, the device that the code must belong to
	Metadata       map[string]string // reported by the device: model, firmwareVersion and others
	Addr           string            // address of the device, recorded for audits
	RequestID      string
	IdempotencyKey string // a retry with the same key gets the same reply until the device logs in, and for Config.RepeatWithin after that; may be empty
}

// Registered is the identity that a device receives when it registers.
type Registered struct {
	DeviceID     string
	Secret       string // in clear text; it cannot be read later
	RegisteredAt time.Time
}

// Register exchanges an activation code for a secret. A device that registers again with
// a new code gets a new secret; the old secret becomes invalid and its logins end.
// Errors: invalid_activation_code, which is the same for a code that is wrong, used,
// expired, replaced or for another device; idempotency_key_reused.
func (r *Registry) Register(ctx context.Context, g Registration) (Registered, error) {
	code, ok := parseCode(g.Code)
	if !ok {
		return Registered{}, refuse(fieldgate.CodeInvalidActivationCode, fieldgate.ReasonMalformed)
	}
	device, err := r.deviceOfCode(ctx, r.keys.hashCode(code))
	if err != nil {
		return Registered{}, err
	}
	if g.DeviceID != "" && g.DeviceID != device.ID {
		return Registered{}, refuse(fieldgate.CodeInvalidActivationCode, fieldgate.ReasonWrongDevice)
	}
	secret, err := r.keys.issueSecret(code, device.ID, g.IdempotencyKey)
	if err != nil {
		return Registered{}, err
	}
	keys, args, err := r.registerArgs(g, device, code, secret)
	if err != nil {
		return Registered{}, err
	}
	reply, err := r.run(ctx, registerScript, keys, args)
	if err != nil {
		return Registered{}, err
	}
	if left := time.Duration(reply.Int(4)) * time.Millisecond; g.IdempotencyKey != "" && left > 0 {
		r.keepCode(ctx, r.keys.hashCode(code), left)
	}
	text, err := secret.open(reply.String(2), device.ID)
	return Registered{DeviceID: device.ID, Secret: text, RegisteredAt: store.ParseTime(reply.String(3))}, err
}

// unusedFor is the time for which a device that has not logged in may repeat its registration. A device
// has at most one registration for so long, of about 300 bytes: its first login, a new code and its
// decommissioning end it.
const unusedFor = MaxActivationTTL

// keepCode sets the time for which the pointer of a code is kept: as long as the reply to the registration
// with it. A failure is only logged, because it does no harm to a device that got the reply.
func (r *Registry) keepCode(ctx context.Context, hash string, ttl time.Duration) {
	err := r.store.Do(ctx, "keep_activation", func(ctx context.Context, c store.Client) error {
		return c.PExpire(ctx, store.ActivationKey(hash), ttl).Err()
	})
	if err != nil {
		r.log.WarnContext(ctx, "keeping the activation code of a registration failed", "error", err)
	}
}

// endRegistration lets the activation code of a device expire that has logged in for the first time
// after its registration.
func (r *Registry) endRegistration(ctx context.Context, known storedIdentity) {
	if known.registration != "" && known.usedCode != "" {
		r.keepCode(ctx, known.usedCode, r.cfg.RepeatWithin)
	}
}

// dropCode deletes the pointer of a code that is not valid. The stored reply to the registration with it
// expires a day later, so that its Idempotency-Key belongs to one request for so long. Both are empty if
// there is none. A failure is only logged, because they expire.
func (r *Registry) dropCode(ctx context.Context, device store.Device, hash, registration string) {
	err := r.store.Do(ctx, "drop_activation", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline() // the keys are in different slots
		if hash != "" {
			pipe.Unlink(ctx, store.ActivationKey(hash))
		}
		if registration != "" {
			pipe.PExpire(ctx, device.RegistrationKey(registration), idempotencyTTL)
		}
		if pipe.Len() == 0 {
			return nil
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		r.log.WarnContext(ctx, "deleting an activation code that is not valid failed", "tenant", device.Tenant, "device", device.ID, "error", err)
	}
}

// dropUnissued deletes the pointer of a code that prepareCode has created and the script has not issued,
// because it refused the request or repeated an earlier reply, which has another code. After any other
// error the code may be valid, and its pointer stays.
func (r *Registry) dropUnissued(ctx context.Context, device store.Device, code issued, sealed string, err error) {
	var refusal *fieldgate.Error
	refused := errors.As(err, &refusal) && refusal.Code != fieldgate.CodeStoreUnavailable
	if refused || err == nil && sealed != code.sealed {
		r.dropCode(context.WithoutCancel(ctx), device, code.hash, "")
	}
}

// deviceOfCode returns the device for which a code was issued. It does not check whether
// the code is valid, because only the script can check that.
func (r *Registry) deviceOfCode(ctx context.Context, hash string) (store.Device, error) {
	var pointer string
	err := r.store.Do(ctx, "find_activation", func(ctx context.Context, c store.Client) (err error) {
		pointer, err = c.Get(ctx, store.ActivationKey(hash)).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return store.Device{}, refuse(fieldgate.CodeInvalidActivationCode, fieldgate.ReasonUnknown)
	}
	if err != nil {
		return store.Device{}, fmt.Errorf("finding the device of a code: %w", err)
	}
	tenant, id, _ := strings.Cut(pointer, " ")
	return store.Device{Tenant: tenant, ID: id}, nil
}

// registerArgs returns the keys and arguments of register.lua.
func (r *Registry) registerArgs(g Registration, device store.Device, code string, secret issued) (keys []string, args []any, err error) {
	hash := r.keys.hashCode(code)
	metadata, err := encodeMap(g.Metadata)
	if err != nil {
		return nil, nil, err
	}
	digest, err := fingerprint("register", hash, g.DeviceID)
	if err != nil {
		return nil, nil, err
	}
	earlier, err := fingerprint("register", hash, g.DeviceID, metadata)
	if err != nil {
		return nil, nil, err
	}
	keyDigest := ""
	keys = append(device.Keys(), statusIndexKey(device.Tenant, Provisioned), statusIndexKey(device.Tenant, Active))
	if g.IdempotencyKey != "" {
		keyDigest = store.DigestOf(g.IdempotencyKey)
		keys = append(keys, device.RegistrationKey(keyDigest))
	}
	return keys, store.NewScope(device, store.ActorDevice(device.ID), g.RequestID, r.cfg.Retention).Args(
		hash, secret.hash, secret.sealed, metadata, g.Metadata["model"], g.Metadata["firmwareVersion"], g.Addr,
		digest, unusedFor.Milliseconds(), keyDigest, earlier,
	), nil
}
