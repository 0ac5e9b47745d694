package customer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// maxKeptBytes is the maximum length of the record of an issuer's keys in the store.
const maxKeptBytes = 2 * maxKeySetBytes

var errForgedKeys = errors.New("the record of the issuer's keys was not written by this installation")

// keptKeys keeps the last keys of an issuer in the store. An instance that starts while the
// issuer is down verifies tokens with them.
//
// The keys decide who can sign in, so the record has a MAC, and a record with another one is not
// used. The key of the MAC comes from Verifier.KeepKeys.
type keptKeys struct {
	store  *store.Store
	url    string // of the issuer's keys
	macKey []byte
}

// keptRecord is the record in the store, which follows its MAC.
type keptRecord struct {
	URL       string          `json:"url"`
	FetchedAt time.Time       `json:"fetchedAt"`
	Keys      json.RawMessage `json:"keys"` // a JWK Set with public keys only
}

func newKeptKeys(s *store.Store, url string, secret []byte) *keptKeys {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("keys of the issuer"))
	return &keptKeys{store: s, url: url, macKey: mac.Sum(nil)}
}

// save replaces the record. It ends when maxAge has passed since the keys were fetched.
func (k *keptKeys) save(ctx context.Context, held heldKeys, maxAge time.Duration) error {
	keys, err := held.set.publish()
	if err != nil {
		return err
	}
	record, err := json.Marshal(keptRecord{URL: k.url, FetchedAt: held.fetchedAt.UTC(), Keys: keys})
	if err != nil {
		return fmt.Errorf("encoding the issuer's keys: %w", err)
	}
	if len(record) > maxKeptBytes-2*sha256.Size {
		return fmt.Errorf("the issuer's keys have more than %d bytes", maxKeptBytes)
	}
	return k.store.Do(ctx, "keep-keys", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, store.IssuerKeysKey(k.url), k.mac(record)+string(record), maxAge).Err()
	})
}

// load returns the keys of the record. It returns an error if there is no record, or if this
// installation has not written it for this issuer.
func (k *keptKeys) load(ctx context.Context) (held heldKeys, err error) {
	var text string
	err = k.store.Do(ctx, "read-keys", func(ctx context.Context, c store.Client) (err error) {
		text, err = c.GetRange(ctx, store.IssuerKeysKey(k.url), 0, maxKeptBytes-1).Result()
		return err
	})
	if err == nil && text == "" {
		err = redis.Nil
	}
	if err != nil {
		return heldKeys{}, fmt.Errorf("reading the issuer's keys from the store: %w", err)
	}
	return k.parse(text)
}

func (k *keptKeys) parse(text string) (held heldKeys, err error) {
	record := []byte(text[min(len(text), 2*sha256.Size):])
	if !hmac.Equal([]byte(text[:len(text)-len(record)]), []byte(k.mac(record))) {
		return heldKeys{}, errForgedKeys
	}
	var kept keptRecord
	if err := json.Unmarshal(record, &kept); err != nil {
		return heldKeys{}, fmt.Errorf("reading the record of the issuer's keys: %w", err)
	}
	if kept.URL != k.url {
		return heldKeys{}, errForgedKeys
	}
	set, err := parseKeySet(kept.Keys)
	return heldKeys{set: set, fetchedAt: kept.FetchedAt}, err
}

// mac returns the MAC of a record as text of a fixed length.
func (k *keptKeys) mac(record []byte) string {
	mac := hmac.New(sha256.New, k.macKey)
	mac.Write(record)
	return hex.EncodeToString(mac.Sum(nil))
}

// wasNeverKept reports whether err, an error of load, only means that there is no record.
func wasNeverKept(err error) bool { return errors.Is(err, redis.Nil) }
