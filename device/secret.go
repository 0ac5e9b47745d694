package device

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/fieldgate/fieldgate/seal"
)

// randomText returns 256 random bits in base64: a secret.
func randomText() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never returns an error: it crashes the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// hashOf returns the hash under which a secret or token is stored. A plain hash is
// enough, because secrets and tokens have too many random bits to be guessed.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// keyring is a secret from which the registry derives all its keys, one for each purpose.
type keyring []byte

func (k keyring) derive(purpose, subject string) []byte {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(purpose + "\x00" + subject))
	return mac.Sum(nil)
}

// hashCode returns the hash under which an activation code is stored. The hash is keyed,
// because users type codes. Codes are therefore short, and could be guessed from a plain
// hash.
func (k keyring) hashCode(code string) string {
	return hex.EncodeToString(k.derive("activation code", code))
}

// issued is a credential that a request has created: an activation code or a secret.
type issued struct {
	credential string // in clear text
	hash       string // form in which the store keeps the credential
	sealed     string // form that the store keeps with the reply; empty if it does not keep the reply
	sealer     seal.Sealer
	earlier    []byte // key with which earlier releases sealed such credentials
}

// issueCode returns a new activation code for a device. If the request has an Idempotency-Key,
// the key opens the code.
func (k keyring) issueCode(deviceID, idempotencyKey string) (issued, error) {
	code := newCode()
	s, err := seal.New(k, "activation code", idempotencyKey)
	if err != nil {
		return issued{}, err
	}
	i := issued{credential: code, hash: k.hashCode(code), sealer: s, earlier: k.derive("sealed activation code", "")}
	return i.seal(deviceID, idempotencyKey), nil
}

// issueSecret returns a new secret for the device that registers with a code. If the request
// has an Idempotency-Key, the code and the key together open the secret.
func (k keyring) issueSecret(code, deviceID, idempotencyKey string) (issued, error) {
	secret := randomText()
	s, err := seal.New(k, "device secret", code, idempotencyKey)
	if err != nil {
		return issued{}, err
	}
	i := issued{credential: secret, hash: hashOf(secret), sealer: s, earlier: k.derive("sealed secret", code)}
	return i.seal(deviceID, idempotencyKey), nil
}

// seal sets the sealed form of the credential if the store keeps the reply.
func (i issued) seal(deviceID, idempotencyKey string) issued {
	if idempotencyKey != "" {
		i.sealed = i.sealer.Seal(i.credential, deviceID)
	}
	return i
}

// open returns the credential in the reply of a script. The script returns the sealed form that
// it was given, or the one that it stored for an earlier request with the same Idempotency-Key.
func (i issued) open(sealed, deviceID string) (string, error) {
	switch {
	case sealed == i.sealed:
		return i.credential, nil
	case seal.IsSealed(sealed):
		return i.sealer.Open(sealed, deviceID)
	}
	return openEarlier(i.earlier, sealed, deviceID)
}

// openEarlier decrypts a credential in a reply that an earlier release has stored. No such
// reply exists a day after the upgrade of the last instance.
func openEarlier(key []byte, sealed, deviceID string) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("creating a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return "", fmt.Errorf("creating a cipher: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("decoding a sealed reply: %w", err)
	}
	text, err := aead.Open(nil, nil, raw, []byte(deviceID))
	if err != nil {
		return "", fmt.Errorf("opening a sealed reply: %w", err)
	}
	return string(text), nil
}
