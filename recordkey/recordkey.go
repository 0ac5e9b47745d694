// Package recordkey authenticates records in the store, so that an attacker who can write to the store
// cannot write one.
package recordkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Key authenticates the records of one kind. An attacker who changes a record in the store cannot compute its
// new MAC without the key. If the MAC is not required, the attacker can remove it instead.
type Key struct {
	key      []byte
	id       string // begins the MACs of this key, so that those of another key are recognized
	required bool   // a record without a MAC of this key is refused
}

// New returns the key of a kind of records that is derived from the secret of the operator. Without one, it is
// derived from kept, the secret of the store, and never required: a writer of the store can read it.
func New(kind string, secret []byte, required bool, kept []byte) Key {
	if len(secret) == 0 {
		secret, required = kept, false
	}
	derive := func(purpose string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(kind + "\x00" + purpose))
		return mac.Sum(nil)
	}
	return Key{key: derive("key"), id: hex.EncodeToString(derive("id")[:4]), required: required}
}

// MAC returns the MAC of a record. Each part is preceded by its length, so that no other list of parts
// has the same MAC.
func (k Key) MAC(parts ...string) string {
	mac := hmac.New(sha256.New, k.key)
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	return k.id + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

var (
	// ErrChanged means that a record was changed in the store.
	ErrChanged = errors.New("the record was changed in the store")

	// ErrOtherKey means that a record has no MAC, or one of another key. An earlier release has
	// written it, or an instance whose key differs.
	ErrOtherKey = errors.New("the record has no MAC of this key")

	// ErrUnproven is returned instead of ErrOtherKey if the MAC is required. It is an ErrChanged.
	ErrUnproven = fmt.Errorf("%w, or it has no MAC of the required key", ErrChanged)
)

// Check returns nil if stored is the MAC of a record. If it is a MAC of another key, Check returns
// ErrOtherKey, or ErrUnproven if the MAC is required. In every other case it returns ErrChanged.
func (k Key) Check(stored string, parts ...string) error {
	switch {
	case k.Adopts(stored):
		return ErrOtherKey
	case !k.isOwn(stored):
		return ErrUnproven
	case hmac.Equal([]byte(stored), []byte(k.MAC(parts...))):
		return nil
	}
	return ErrChanged
}

// Accept is like Check for a record that may have a MAC of another key, unless this key is required.
func (k Key) Accept(stored string, parts ...string) error {
	if err := k.Check(stored, parts...); !errors.Is(err, ErrOtherKey) {
		return err
	}
	return nil
}

// Adopts reports whether a record with this MAC is to be given one of this key, because Accept returns nil
// and would not if the key was required.
func (k Key) Adopts(stored string) bool { return !k.isOwn(stored) && !k.required }

// isOwn reports whether a MAC says that it is one of this key.
func (k Key) isOwn(stored string) bool {
	id, _, _ := strings.Cut(stored, ".")
	return id == k.id
}
