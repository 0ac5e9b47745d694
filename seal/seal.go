// Package seal encrypts the parts of a stored reply that only its caller may read: activation
// codes, secrets and claim tokens.
//
// The store keeps the reply to a request with an Idempotency-Key, so that a repetition gets the
// same reply. The encryption key is derived from what the caller sends again with the
// repetition, and from a key of the installation. The store keeps the first only as a hash, so a
// reader of the store, or of a backup, cannot open what is sealed. A caller that chooses an
// Idempotency-Key which can be guessed gives up this protection.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// prefix begins every sealed text. It names the format, and cannot begin a text in base64.
const prefix = "s1."

// encoding is strict, so that each sealed text has one spelling.
var encoding = base64.RawURLEncoding.Strict()

var errForm = errors.New("the text is not sealed")

// Sealer encrypts and decrypts the texts of one caller, for one purpose.
type Sealer struct{ aead cipher.AEAD }

// New returns the sealer of the caller that knows the secrets. The key is that of the
// installation. What a sealer of one purpose has sealed, a sealer of another cannot open.
func New(key []byte, purpose string, secrets ...string) (Sealer, error) {
	derived, err := hkdf.Key(sha256.New, join(secrets), key, "fieldgate sealed reply\x00"+purpose, 32)
	if err != nil {
		return Sealer{}, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return Sealer{}, fmt.Errorf("creating a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Sealer{aead}, err
}

// join returns the secrets, each preceded by its length, so that no other list of secrets has
// the same bytes.
func join(secrets []string) (joined []byte) {
	for _, secret := range secrets {
		joined = binary.BigEndian.AppendUint32(joined, uint32(len(secret)))
		joined = append(joined, secret...)
	}
	return joined
}

// Seal encrypts text for a subject, such as the id of a device.
func (s Sealer) Seal(text, subject string) string {
	return prefix + encoding.EncodeToString(s.aead.Seal(nil, nil, []byte(text), []byte(subject)))
}

// Open decrypts a text that Seal encrypted with the same secrets for the same subject.
func (s Sealer) Open(sealed, subject string) (string, error) {
	encoded, found := strings.CutPrefix(sealed, prefix)
	if !found {
		return "", errForm
	}
	raw, err := encoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("decoding a sealed text: %w", err)
	}
	text, err := s.aead.Open(nil, nil, raw, []byte(subject))
	if err != nil {
		return "", fmt.Errorf("opening a sealed text: %w", err)
	}
	return string(text), nil
}

// IsSealed reports whether text has the form that Seal returns. What earlier releases have
// stored has another form.
func IsSealed(text string) bool { return strings.HasPrefix(text, prefix) }
