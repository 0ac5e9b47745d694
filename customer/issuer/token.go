package issuer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Claims say whom a token is for. The zero Claims are a new person who belongs
// to no customer.
type Claims struct {
	Subject    string        // the user id; default: a random UUID
	CustomerID string        // app_metadata.customer_id; default: none
	Role       string        // app_metadata.role; default: none
	Email      string        // default: none
	SessionID  string        // default: a random UUID
	IssuedAt   time.Time     // default: now
	Lifetime   time.Duration // default: one hour, as at Supabase
}

// Token issues a token.
func (i *Issuer) Token(claims Claims) string {
	key := i.current()
	return key.sign(key.header(), i.Payload(claims))
}

// Header gives the header of the tokens.
func (i *Issuer) Header() map[string]any { return i.current().header() }

func (k signingKey) header() map[string]any {
	return map[string]any{"alg": "ES256", "kid": k.id, "typ": "JWT"}
}

// Payload gives the claims of a token with the members that Supabase Auth
// gives it.
func (i *Issuer) Payload(claims Claims) map[string]any {
	claims = claims.withDefaults()
	issued := claims.IssuedAt.Unix()
	return map[string]any{
		"aal":           "aal1",
		"amr":           []any{map[string]any{"method": "password", "timestamp": issued}},
		"app_metadata":  claims.appMetadata(),
		"aud":           "authenticated",
		"email":         claims.Email,
		"exp":           claims.IssuedAt.Add(claims.Lifetime).Unix(),
		"iat":           issued,
		"is_anonymous":  false,
		"iss":           i.Name(),
		"phone":         "",
		"role":          "authenticated",
		"session_id":    claims.SessionID,
		"sub":           claims.Subject,
		"user_metadata": map[string]any{},
	}
}

func (c Claims) withDefaults() Claims {
	if c.Subject == "" {
		c.Subject = newUUID()
	}
	if c.SessionID == "" {
		c.SessionID = newUUID()
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = time.Now()
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	return c
}

func (c Claims) appMetadata() map[string]any {
	metadata := map[string]any{"provider": "email", "providers": []string{"email"}}
	if c.CustomerID != "" {
		metadata["customer_id"] = c.CustomerID
	}
	if c.Role != "" {
		metadata["role"] = c.Role
	}
	return metadata
}

// Sign signs any header and payload with the current key, however little sense
// they make, so that tests can have tokens with exactly one fault. A []byte is
// taken as it is, everything else as JSON; it panics on what JSON cannot hold.
func (i *Issuer) Sign(header, payload any) string {
	return i.current().sign(header, payload)
}

func (k signingKey) sign(header, payload any) string {
	signed := encode(mustMarshal(header)) + "." + encode(mustMarshal(payload))
	return signed + "." + encode(k.signature(signed))
}

// signature is r and s, 32 bytes each (RFC 7518, section 3.4).
func (k signingKey) signature(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		panic(err) // a generated P-256 key always signs
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}

func mustMarshal(value any) []byte {
	if raw, isRaw := value.([]byte); isRaw {
		return raw
	}
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return raw
}
