package device

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// maxLogins is how many logins a device has at once; one more ends the oldest.
// It bounds what a device that forgets its token on every boot leaves behind.
const maxLogins = 20

// Credentials are what a device logs in with.
type Credentials struct {
	DeviceID string
	Secret   string
}

// Login is a login session of a device.
type Login struct {
	DeviceID  string
	Token     string        // it is in no other answer
	ExpiresIn time.Duration // how long it lives if it is not used
	ExpiresAt time.Time
}

// Login opens a login session. Refusals: invalid_credentials, the same for an
// unknown or decommissioned device and a wrong secret; device_suspended, only
// where the secret was right.
func (r *Registry) Login(ctx context.Context, c Credentials) (Login, error) {
	kept, err := r.secretHash(ctx, c.DeviceID)
	if err != nil {
		return Login{}, err
	}
	given := hashOf(c.Secret)
	if subtle.ConstantTimeCompare([]byte(given), []byte(kept)) == 0 {
		return Login{}, refuse(fieldgate.CodeInvalidCredentials, "")
	}
	token := newToken(c.DeviceID)
	hash := hashOf(token)
	idle := min(r.cfg.LoginIdle, r.cfg.LoginMax)
	reply, err := r.run(ctx, loginScript, loginKeys(c.DeviceID, hash),
		[]any{given, hash, idle.Milliseconds(), r.cfg.LoginMax.Milliseconds(), maxLogins})
	if err != nil {
		return Login{}, err
	}
	if oldest := reply.String(3); oldest != "" {
		r.end(ctx, c.DeviceID, oldest)
	}
	return Login{DeviceID: c.DeviceID, Token: token, ExpiresIn: idle, ExpiresAt: moment(reply.String(2))}, nil
}

// loginKeys are the keys of login.lua.
func loginKeys(deviceID, hash string) []string {
	return []string{store.DeviceKey(deviceID), store.LoginKey(deviceID, hash), store.LoginsKey(deviceID)}
}

// noSecret is compared where a device has no secret: no text hashes to it.
const noSecret = "................................................................"

// secretHash reads the hash of a device's secret. An unknown device has one too,
// which none fits, so that it takes the same work to refuse.
func (r *Registry) secretHash(ctx context.Context, deviceID string) (string, error) {
	if !isDeviceID(deviceID) {
		return noSecret, nil
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
	return noSecret, nil
}

// Logout ends the login of a token, at once and on every instance. A token that
// is worth nothing already is no error.
func (r *Registry) Logout(ctx context.Context, token string) error {
	deviceID, ok := deviceOfToken(token)
	if !ok {
		return nil
	}
	return r.logout(ctx, deviceID, hashOf(token))
}

func (r *Registry) logout(ctx context.Context, deviceID, hash string) error {
	_, err := r.run(ctx, logoutScript, []string{store.LoginKey(deviceID, hash), store.LoginsKey(deviceID)}, []any{hash})
	return err
}

// end ends a login that is one too many. Where that fails, it ends with its time.
func (r *Registry) end(ctx context.Context, deviceID, hash string) {
	if err := r.logout(ctx, deviceID, hash); err != nil {
		r.log.WarnContext(ctx, "ending the oldest login of a device", "device", deviceID, "error", err)
	}
}

// A token is "fgd_", the device's id without its prefix, "_" and 256 random bits.
// It carries the id so that the keys of its check can be told without asking.
const (
	tokenPrefix = "fgd_"
	tokenIDLen  = 28
	tokenLen    = len(tokenPrefix) + tokenIDLen + 1 + randomTextLen
)

func newToken(deviceID string) string {
	return tokenPrefix + deviceID[len(store.KindDevice)+1:] + "_" + randomText()
}

// deviceOfToken reads the device's id out of a token. It answers false for what
// newToken cannot have minted.
func deviceOfToken(token string) (id string, ok bool) {
	const idEnd = len(tokenPrefix) + tokenIDLen
	if len(token) != tokenLen || token[:len(tokenPrefix)] != tokenPrefix || token[idEnd] != '_' {
		return "", false
	}
	id = store.KindDevice + "_" + token[len(tokenPrefix):idEnd]
	return id, isDeviceID(id)
}
