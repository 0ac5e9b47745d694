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

// randomText makes 256 random bits: a secret, or the random part of a token.
func randomText() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails: it would end the process instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// randomTextLen is how long randomText is.
const randomTextLen = 43

// hashOf is how secrets and tokens are kept: they are random enough that nobody
// can try them all, so a plain hash will do.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// keyring is the secret from which every key of the registry is derived, each
// for one purpose.
type keyring []byte

func (k keyring) derive(purpose, subject string) []byte {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(purpose + "\x00" + subject))
	return mac.Sum(nil)
}

// hashCode is how activation codes are kept. They are short enough for a person
// to type, so the hash needs a key: who has only the hash can try nothing.
func (k keyring) hashCode(code string) string {
	return hex.EncodeToString(k.derive("activation code", code))
}

// codeSeal seals activation codes in remembered answers.
func (k keyring) codeSeal() seal { return k.derive("sealed activation code", "") }

// secretSeal seals the secret that a registration gave: it takes the code that
// was used to open it again.
func (k keyring) secretSeal(code string) seal { return k.derive("sealed secret", code) }

// seal is a key of 256 bits for AES-GCM.
type seal []byte

func (s seal) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s)
	if err != nil {
		return nil, fmt.Errorf("making a seal: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// close seals a text for a device: it opens for no other.
func (s seal) close(text, deviceID string) (string, error) {
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, []byte(text), []byte(deviceID))), nil
}

func (s seal) open(sealed, deviceID string) (string, error) {
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("opening a sealed answer: %w", err)
	}
	text, err := aead.Open(nil, nil, raw, []byte(deviceID))
	if err != nil {
		return "", fmt.Errorf("opening a sealed answer: %w", err)
	}
	return string(text), nil
}
