// Package credential creates random credentials that an instance recognizes without the store.
//
// A credential is 192 random bits and a check of 64 bits, which only this installation can
// compute. The check is no proof: the store decides whether a credential is valid. But a text
// with a wrong check was not issued here, so that a stranger cannot make an instance ask the
// store for a valid-looking one. Guessing a check is not practical at the rates that the
// gateway allows, and a right guess gains one question to the store.
package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const (
	randomBytes = 24
	checkBytes  = 8
)

// Length is the length of a credential in characters: 32 bytes in base64 without padding.
const Length = 43

// encoding is strict, so that each credential has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// Mint creates credentials for one purpose, and recognizes them. It is safe for concurrent use.
type Mint struct{ key []byte }

// NewMint returns the mint of a purpose. The instances of an installation have the same secret.
// A credential of one purpose is not recognized by the mint of another.
func NewMint(secret []byte, purpose string) Mint {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("credential\x00" + purpose))
	return Mint{key: mac.Sum(nil)}
}

// New returns a new credential of a subject, such as a device.
func (m Mint) New(subject string) string {
	raw := make([]byte, randomBytes, randomBytes+checkBytes)
	rand.Read(raw) // never returns an error: it crashes the program instead
	return encoding.EncodeToString(append(raw, m.check(subject, raw)...))
}

// Recognizes reports whether New can have returned text for the subject.
func (m Mint) Recognizes(subject, text string) bool {
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != randomBytes+checkBytes || len(text) != Length {
		return false // the decoder ignores line breaks
	}
	return hmac.Equal(raw[randomBytes:], m.check(subject, raw[:randomBytes]))
}

func (m Mint) check(subject string, random []byte) []byte {
	mac := hmac.New(sha256.New, m.key)
	mac.Write(random) // has a fixed length, so that subject needs no separator
	mac.Write([]byte(subject))
	return mac.Sum(nil)[:checkBytes]
}
