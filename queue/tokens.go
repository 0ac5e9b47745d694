package queue

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/fieldgate/fieldgate/seal"
	"github.com/fieldgate/fieldgate/store"
)

// claimTokens holds the tokens that one run of claim.lua may assign. The store gets only the hash of
// each token and, for a claim with an Idempotency-Key, the token sealed under that key.
type claimTokens struct {
	byHash map[string]string
	args   []any       // sealed form and hash of each token, for claim.lua
	sealer seal.Sealer // opens the tokens of an earlier claim with the same Idempotency-Key
}

// newTokens returns a token for each command that the request may claim.
func (q *Queue) newTokens(r ClaimRequest) (claimTokens, error) {
	t := claimTokens{byHash: make(map[string]string, r.Limit)}
	if r.IdempotencyKey != "" {
		var err error
		if t.sealer, err = seal.New(q.store.HashKey(), "claim token", r.IdempotencyKey); err != nil {
			return claimTokens{}, err
		}
	}
	for range r.Limit {
		token, sealed := rand.Text(), ""
		if r.IdempotencyKey != "" {
			sealed = t.sealer.Seal(token, r.Device.ID)
		}
		t.byHash[hashToken(token)] = token
		t.args = append(t.args, sealed, hashToken(token))
	}
	return t, nil
}

// of returns the claim token with a hash. The text stored is the form that the store keeps for a
// repetition. Earlier releases stored the token itself.
func (t claimTokens) of(hash, stored string, d store.Device) (string, error) {
	if token, found := t.byHash[hash]; found {
		return token, nil
	}
	if !seal.IsSealed(stored) {
		return stored, nil
	}
	return t.sealer.Open(stored, d.ID)
}

// hashToken returns the hash of a claim token. A plain hash is enough, because tokens are random
// and cannot be guessed.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}
