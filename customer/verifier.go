package customer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

var (
	errTokenTooLong = &fault{fieldgate.ReasonTooLong, "the token is longer than the limit"}
	errHS256Refused = &fault{fieldgate.ReasonAlgorithm, "the token is signed with HS256, but no secret is configured"}
	errUnknownKey   = &fault{fieldgate.ReasonUnknownKey, "the issuer publishes no such key for the token's algorithm"}
	errSignature    = &fault{fieldgate.ReasonBadSignature, "the signature is not that of the key"}
)

var errNoUsableKeys = errors.New("the issuer's response contains no usable key")

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	cfg   Config
	keys  *keySource
	inUse atomic.Pointer[verification]
	rules []jwt.ValidateOption

	mismatches *mismatches
}

// NewVerifier returns a new Verifier, or an error that names the invalid setting. It does
// not fetch the keys. Run or the first verification fetches them.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, keys: newKeySource(cfg), rules: claimRules(cfg), mismatches: newMismatches(cfg)}
	v.ReplaceSecrets(cfg.HS256Secret, cfg.PreviousHS256Secrets)
	return v, nil
}

// KeepKeys keeps the issuer's keys in the store, and uses kept ones until they can be fetched. The
// secret authenticates them: if it is known only to the instances, a writer of the store cannot
// add keys. Call KeepKeys before Verify and Run.
func (v *Verifier) KeepKeys(s *store.Store, secret []byte) {
	if v.cfg.JWKSURL != "" {
		v.keys.kept = newKeptKeys(s, v.cfg.JWKSURL, secret)
	}
}

// Keys returns the number of published keys in use. It is zero if they are too old to be used.
func (v *Verifier) Keys() int {
	if set := v.keys.current(); set != nil {
		return len(set.keys)
	}
	return 0
}

// KeysFetchedAt returns when the keys were fetched last, by this instance or by the one that kept
// them in the store. They may be too old to be used. It returns the zero time if there are none.
func (v *Verifier) KeysFetchedAt() time.Time {
	if held := v.keys.held.Load(); held != nil {
		return held.fetchedAt
	}
	return time.Time{}
}

// Verify returns the principal of a token.
//
// The error for an invalid token is unauthorized, and no_tenant for a valid one without a
// tenant. If the key of a token is unknown and may be new, or if the issuer's keys have never been
// fetched, or too long ago, no token can be verified, and the error is issuer_unavailable with the
// time to wait. No error contains the token.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > v.cfg.MaxTokenBytes {
		return Principal{}, refuse(errTokenTooLong)
	}
	digest, inUse := sha256.Sum256([]byte(token)), v.inUse.Load()
	if known, ok := inUse.cache.get(digest, v.keys.current()); ok && v.isCurrent(known) {
		return known, nil
	}
	principal, keys, err := v.verify(ctx, token, inUse.secrets)
	if err != nil {
		v.mismatches.record(ctx, token, err)
		return Principal{}, err
	}
	inUse.cache.put(digest, keys, principal)
	return principal, nil
}

// isCurrent reports whether the principal's token has not expired.
func (v *Verifier) isCurrent(p Principal) bool {
	return v.cfg.Now().Before(p.ExpiresAt.Add(v.cfg.Leeway))
}

// verify verifies a token without the cache. It returns the principal and the key set
// that the token was verified with.
func (v *Verifier) verify(ctx context.Context, raw string, shared secrets) (Principal, *keySet, error) {
	parsed, err := parseToken(raw)
	if err != nil {
		return Principal{}, nil, refuse(err)
	}
	signedBy, keys, err := v.signerOf(ctx, parsed, shared)
	if err != nil {
		return Principal{}, nil, err
	}
	principal, err := v.principalOf(ctx, parsed.payload)
	if err != nil {
		return Principal{}, nil, refuse(err)
	}
	if signedBy.previous {
		v.cfg.VerifiedByPrevious()
		v.mismatches.recordPrevious(ctx)
	}
	return principal, keys, nil
}

// signerOf returns the key that has signed the token. An HS256 token is verified only
// with a configured secret, never with a published key. Otherwise anyone could use a
// public key as the secret and sign a token with it.
func (v *Verifier) signerOf(ctx context.Context, t token, shared secrets) (key, *keySet, error) {
	if t.alg == jwa.HS256 {
		signedBy, err := shared.signerOf(t)
		if err != nil {
			return key{}, nil, refuse(err)
		}
		return signedBy, v.keys.current(), nil
	}
	found, keys, err := v.keys.find(ctx, keyID{alg: t.alg, kid: t.kid})
	if fieldgate.ReasonOf(err) == fieldgate.ReasonUnknownKey {
		err = v.unknownKey(t, err)
	}
	if err != nil {
		return key{}, nil, err
	}
	if err := found.verify(t); err != nil {
		return key{}, nil, refuse(err)
	}
	return found, keys, nil
}

// unknownKey returns the error for a token whose key was not found with err. The key may be newer
// than the known ones, if the token names an accepted issuer. A stranger may have written the token.
func (v *Verifier) unknownKey(t token, err error) error {
	var claims struct {
		Issuer   string  `json:"iss"`
		IssuedAt float64 `json:"iat"`
	}
	if json.Unmarshal(t.payload, &claims) != nil || !v.acceptsIssuer(claims.Issuer) {
		return refuse(errUnknownKey)
	}
	if v.keys.held.Load().mayLack(keyID{alg: t.alg, kid: t.kid}, time.Unix(int64(claims.IssuedAt), 0)) {
		return v.keys.unknownYet()
	}
	return err
}

func (v *Verifier) acceptsIssuer(name string) bool {
	return len(v.cfg.Issuers) == 0 || slices.Contains(v.cfg.Issuers, name)
}

// FetchFailure returns the error of the last fetch of the keys, or nil if it succeeded.
func (v *Verifier) FetchFailure() error { return v.keys.health().LastError }

// Run keeps the issuer's keys up to date until the context is done. It fetches them
// at once, then at every PollInterval, and sooner after a failure. It returns nil.
func (v *Verifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		_, _ = v.keys.refresh(ctx) // an error means only that ctx has ended; failed fetches are logged
		store.Sleep(ctx, v.keys.untilNextPoll())
	}
	return nil
}

// Ready returns nil once tokens could be verified: keys have been fetched or were kept in the store,
// or a secret is configured. Otherwise it returns an error with the reason. The error contains no
// address.
//
// Ready returns nil even if the keys are too old by now. They are so at all instances at once, and no
// other instance could serve the users instead. But devices need no keys, and keep their service.
func (v *Verifier) Ready() error {
	if len(v.inUse.Load().secrets) == 0 && v.keys.held.Load() == nil {
		return errors.New("no usable signing keys of the issuer have been fetched yet")
	}
	return nil
}

// HasKeys reports whether there is a key to verify tokens with: one of the issuer's keys, which are not
// too old, or the configured secret.
func (v *Verifier) HasKeys() bool {
	set := v.keys.current()
	return len(v.inUse.Load().secrets) > 0 || set != nil && len(set.keys) > 0
}
