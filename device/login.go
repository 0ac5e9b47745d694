package device

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// maxLogins is the maximum number of logins of a device. A further login ends the oldest
// one. The limit bounds the number of records when a device loses its token on every
// boot.
const maxLogins = 20

// Credentials are the id and the secret with which a device logs in.
type Credentials struct {
	DeviceID string
	Secret   string
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
	storedHash, err := r.secretHash(ctx, c.DeviceID)
	if err != nil {
		return Login{}, err
	}
	givenHash := hashOf(c.Secret)
	if subtle.ConstantTimeCompare([]byte(givenHash), []byte(storedHash)) == 0 {
		return Login{}, refuse(fieldgate.CodeInvalidCredentials, "")
	}
	token := newToken(c.DeviceID)
	hash := hashOf(token)
	idle := min(r.cfg.LoginIdle, r.cfg.LoginMax)
	reply, err := r.run(ctx, loginScript, loginKeys(c.DeviceID, hash),
		[]any{givenHash, hash, idle.Milliseconds(), r.cfg.LoginMax.Milliseconds(), maxLogins})
	if err != nil {
		return Login{}, err
	}
	if oldest := reply.String(3); oldest != "" {
		r.endLogin(ctx, c.DeviceID, oldest)
	}
	return Login{DeviceID: c.DeviceID, Token: token, ExpiresIn: idle, ExpiresAt: store.ParseTime(reply.String(2))}, nil
}

// loginKeys returns the keys of login.lua.
func loginKeys(deviceID, hash string) []string {
	return []string{store.DeviceKey(deviceID), store.LoginKey(deviceID, hash), store.LoginsKey(deviceID)}
}

// noSecretHash is the stored hash of a device without a secret. No secret has this
// hash.
const noSecretHash = "................................................................"

// secretHash returns the hash of a device's secret. For an unknown device it returns
// noSecretHash, so that the refusal takes the same time as for a known one.
func (r *Registry) secretHash(ctx context.Context, deviceID string) (string, error) {
	if !store.IsID(store.KindDevice, deviceID) {
		return noSecretHash, nil
	}
	var found []any
	err := r.store.Do(ctx, "read_secret", func(ctx context.Context, c store.Client) (err error) {
		found, err = c.HMGet(ctx, store.DeviceKey(deviceID), fieldSecret).Result()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the secret of a device: %w", err)
	}
	if hash, ok := found[0].(string); ok {
		return hash, nil
	}
	return noSecretHash, nil
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

// A token is "fgd_", the device's id without its prefix, "_", and 256 random bits. Check
// derives the store keys from this id, without another call to the store.
const (
	tokenPrefix = "fgd_"
	tokenIDLen  = 28
	tokenLen    = len(tokenPrefix) + tokenIDLen + 1 + randomTextLen
)

// newToken returns a new login token of a device.
func newToken(deviceID string) string {
	return tokenPrefix + deviceID[len(store.KindDevice)+1:] + "_" + randomText()
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
