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
)

// randomText returns 256 random bits in base64: a secret, or the random part of a
// token.
func randomText() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never returns an error: it crashes the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// randomTextLen is the length of the text that randomText returns.
const randomTextLen = 43

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

// codeSealer returns the sealer for the activation codes in stored replies.
func (k keyring) codeSealer() sealer { return k.derive("sealed activation code", "") }

// secretSealer returns the sealer for the secret in the stored reply to a registration.
// Its key depends on the activation code, so only that code can open the secret.
func (k keyring) secretSealer(code string) sealer { return k.derive("sealed secret", code) }

// sealer is a 256-bit key for AES-GCM.
type sealer []byte

func (s sealer) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s)
	if err != nil {
		return nil, fmt.Errorf("creating a cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts text for a device. Only open can decrypt the result, and only with the
// same device id.
func (s sealer) seal(text, deviceID string) (string, error) {
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, []byte(text), []byte(deviceID))), nil
}

// open decrypts a text that seal encrypted for the device.
func (s sealer) open(sealed, deviceID string) (string, error) {
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("opening a sealed reply: %w", err)
	}
	text, err := aead.Open(nil, nil, raw, []byte(deviceID))
	if err != nil {
		return "", fmt.Errorf("opening a sealed reply: %w", err)
	}
	return string(text), nil
}
