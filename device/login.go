package device

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/credential"
	"github.com/fieldgate/fieldgate/store"
)

// maxLogins is the maximum number of logins of a device. A further login ends the oldest
// one. The limit bounds the number of records when a device loses its token on every
// boot.
const maxLogins = 20

// Credentials are the id and the secret with which a device logs in.
type Credentials struct {
	DeviceID   string
	Secret     string
	InstanceID string // random id of this start of the device's software; empty if the device does not tell it
	Addr       string // address of the device, recorded with the instance
	RequestID  string
}

// Login is an authenticated session of a device.
type Login struct {
	DeviceID  string
	Token     string        // token of the login; it cannot be read later, because the store has only its hash
	ExpiresIn time.Duration // time until the login expires if it is not used
	ExpiresAt time.Time
}

// Login opens a login. Errors: invalid_credentials, which is the same for an unknown
// device, a decommissioned device and a wrong secret; device_suspended, which is returned
// only if the secret is right.
func (r *Registry) Login(ctx context.Context, c Credentials) (Login, error) {
	known, err := r.identity(ctx, c.DeviceID)
	if err != nil {
		return Login{}, err
	}
	givenHash := hashOf(c.Secret)
	if subtle.ConstantTimeCompare([]byte(givenHash), []byte(known.secretHash)) == 0 {
		return Login{}, refuse(fieldgate.CodeInvalidCredentials, credentialsReason(known.secretHash))
	}
	token := r.newToken(c.DeviceID)
	hash := hashOf(token)
	idle := min(r.cfg.LoginIdle, r.cfg.LoginMax)
	scope := store.NewScope(known.device, store.ActorDevice(c.DeviceID), c.RequestID, r.cfg.Retention)
	reply, err := r.run(ctx, loginScript, known.loginKeys(hash), scope.Args(
		givenHash, hash, idle.Milliseconds(), r.cfg.LoginMax.Milliseconds(), maxLogins,
		c.InstanceID, c.Addr, r.cfg.RepeatWithin.Milliseconds()))
	if err != nil {
		return Login{}, err
	}
	if oldest := reply.String(3); oldest != "" {
		r.endLogin(ctx, c.DeviceID, oldest)
	}
	r.endRegistration(ctx, known)
	return Login{DeviceID: c.DeviceID, Token: token, ExpiresIn: idle, ExpiresAt: store.ParseTime(reply.String(2))}, nil
}

// storedIdentity holds the fields of a device's record that a login reads.
type storedIdentity struct {
	device       store.Device
	secretHash   string // noSecretHash for an unknown device
	registration string // digest of the Idempotency-Key of the registration, before the first login after it
	usedCode     string // hash of the device's activation code if it was used, otherwise empty
}

// loginKeys returns the keys of login.lua.
func (i storedIdentity) loginKeys(hash string) []string {
	keys := append(i.device.Keys(), store.LoginKey(i.device.ID, hash), store.LoginsKey(i.device.ID))
	if i.registration != "" {
		keys = append(keys, i.device.RegistrationKey(i.registration))
	}
	return keys
}

// noSecretHash is the stored hash of a device without a secret. No secret has this
// hash.
const noSecretHash = "................................................................"

// credentialsReason returns the reason for refusing a secret that does not have storedHash.
func credentialsReason(storedHash string) fieldgate.Reason {
	if storedHash == noSecretHash {
		return fieldgate.ReasonUnknownDevice
	}
	return fieldgate.ReasonWrongSecret
}

// identity reads the secret's hash of a device, and what else a login needs. An unknown device has
// noSecretHash, so that the refusal takes the same time as for a known one.
func (r *Registry) identity(ctx context.Context, deviceID string) (storedIdentity, error) {
	unknown := storedIdentity{secretHash: noSecretHash}
	if !store.IsID(store.KindDevice, deviceID) {
		return unknown, nil
	}
	var found store.Reply
	err := r.store.Do(ctx, "read_secret", func(ctx context.Context, c store.Client) (err error) {
		found, err = c.HMGet(ctx, store.DeviceKey(deviceID), fieldSecret, fieldTenant, "registration", "activation", "activation_used").Result()
		return err
	})
	if err != nil {
		return storedIdentity{}, fmt.Errorf("reading the secret of a device: %w", err)
	}
	if found.String(0) == "" {
		return unknown, nil
	}
	known := storedIdentity{
		device: store.Device{Tenant: found.String(1), ID: deviceID}, secretHash: found.String(0), registration: found.String(2),
	}
	if found.String(4) != "" {
		known.usedCode = found.String(3)
	}
	return known, nil
}

// Logout ends the login of token. It takes effect immediately on every instance. It
// returns no error if the token is already invalid.
func (r *Registry) Logout(ctx context.Context, token string) error {
	deviceID, ok := deviceIDOfToken(token)
	if !ok {
		return nil
	}
	return r.logout(ctx, deviceID, hashOf(token))
}

func (r *Registry) logout(ctx context.Context, deviceID, hash string) error {
	_, err := r.run(ctx, logoutScript,
		[]string{store.LoginKey(deviceID, hash), store.LoginsKey(deviceID)}, []any{hash, deviceID})
	return err
}

// endLogin ends the oldest login when a device exceeds maxLogins. A failure is only
// logged, because the login expires anyway.
func (r *Registry) endLogin(ctx context.Context, deviceID, hash string) {
	if err := r.logout(ctx, deviceID, hash); err != nil {
		r.log.WarnContext(ctx, "ending the oldest login of a device failed", "device", deviceID, "error", err)
	}
}

// A token is "fgd_", the device's id without its prefix, "_", and a credential. Check derives
// the store keys from this id, without another call to the store.
const (
	tokenPrefix = "fgd_"
	tokenIDLen  = 28
	tokenLen    = len(tokenPrefix) + tokenIDLen + 1 + credential.Length
)

// newToken returns a new login token of a device.
func (r *Registry) newToken(deviceID string) string {
	return tokenPrefix + deviceID[len(store.KindDevice)+1:] + "_" + r.logins.New(deviceID)
}

// Issued reports whether this installation issued the token, without a call to the store. It
// returns false for tokens of version 1.0. It does not check whether the token is valid.
func (r *Registry) Issued(token string) bool {
	id, ok := deviceIDOfToken(token)
	return ok && r.logins.Recognizes(id, token[tokenLen-credential.Length:])
}

// deviceIDOfToken returns the id of the device in token. It returns false if newToken
// cannot have created the token.
func deviceIDOfToken(token string) (id string, ok bool) {
	const idEnd = len(tokenPrefix) + tokenIDLen
	if len(token) != tokenLen || token[:len(tokenPrefix)] != tokenPrefix || token[idEnd] != '_' {
		return "", false
	}
	id = store.KindDevice + "_" + token[len(tokenPrefix):idEnd]
	return id, store.IsID(store.KindDevice, id)
}
