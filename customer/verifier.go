package customer

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/fieldgate/fieldgate"
)

// One sentence for every refused token: what exactly was wrong with it helps
// only whoever forged it. The cause goes to the log.
const refusedDetail = "A valid, current access token for this service is required."

var (
	errTokenTooLong = errors.New("the token is longer than the limit")
	errHS256Refused = errors.New("the token is signed with HS256 and no secret is configured")
	errUnknownKey   = errors.New("the issuer publishes no such key for the token's algorithm")
	errNoUsableKeys = errors.New("the issuer's answer holds no usable key")
)

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	cfg    Config
	keys   *keySource
	secret *key // nil where HS256 is refused
	cache  *tokenCache
	rules  []jwt.ValidateOption
}

// NewVerifier makes a Verifier; an error names the setting that is wrong. The
// keys are fetched when the first token arrives, or by Run.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		cfg:   cfg,
		keys:  newKeySource(cfg),
		cache: newTokenCache(cfg.CacheSize),
		rules: claimRules(cfg),
	}
	if len(cfg.HS256Secret) > 0 {
		v.secret = &key{alg: jwa.HS256, material: cfg.HS256Secret}
	}
	return v, nil
}

// Verify gives the principal of a token.
//
// A token that is bad in any way is refused with the code unauthorized. Where
// the issuer's keys could not be had even once, no token can be judged and the
// code is issuer_unavailable, with the time to wait. No error holds the token.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > v.cfg.MaxTokenBytes {
		return Principal{}, refuse(errTokenTooLong)
	}
	digest := sha256.Sum256([]byte(token))
	if known, ok := v.cache.get(digest, v.keys.current()); ok && v.isCurrent(known) {
		return known, nil
	}
	principal, keys, err := v.verify(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	v.cache.put(digest, keys, principal)
	return principal, nil
}

// isCurrent tells whether a token is not expired by now.
func (v *Verifier) isCurrent(p Principal) bool {
	return v.cfg.Now().Before(p.ExpiresAt.Add(v.cfg.Leeway))
}

// verify does the whole work for a token, and tells under which keys it did.
func (v *Verifier) verify(ctx context.Context, raw string) (Principal, *keySet, error) {
	parsed, err := parseToken(raw)
	if err != nil {
		return Principal{}, nil, refuse(err)
	}
	signedBy, keys, err := v.keyFor(ctx, parsed)
	if err != nil {
		return Principal{}, nil, err
	}
	if err := signedBy.verify(parsed); err != nil {
		return Principal{}, nil, refuse(err)
	}
	principal, err := v.principalOf(parsed.payload)
	if err != nil {
		return Principal{}, nil, refuse(err)
	}
	return principal, keys, nil
}

// keyFor finds the one key that may have signed the token. The secret and the
// published keys never meet: an HS256 token is checked against the secret or
// not at all, so that nobody can sign one with a public key.
func (v *Verifier) keyFor(ctx context.Context, t token) (key, *keySet, error) {
	if t.alg != jwa.HS256 {
		return v.keys.find(ctx, keyID{alg: t.alg, kid: t.kid})
	}
	if v.secret == nil {
		return key{}, nil, refuse(errHS256Refused)
	}
	return *v.secret, v.keys.current(), nil
}

// Run keeps the issuer's keys fresh until the context ends: it fetches them at
// once, then at every PollInterval, and sooner after a failure. It returns nil.
func (v *Verifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		_ = v.keys.refresh(ctx) // a failed fetch is logged where it fails
		wait(ctx, v.keys.untilNextPoll())
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Ready tells why no token can be verified, and nil when tokens can: when keys
// were fetched at least once, or a secret is configured. Its error holds no
// address.
func (v *Verifier) Ready() error {
	if v.secret == nil && v.keys.current() == nil {
		return errors.New("no usable signing keys of the issuer were fetched yet")
	}
	return nil
}

// Health tells how the issuer's keys stand.
func (v *Verifier) Health() Health { return v.keys.health() }

func refuse(cause error) error {
	return &fieldgate.Error{Code: fieldgate.CodeUnauthorized, Detail: refusedDetail, Cause: cause}
}
