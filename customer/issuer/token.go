package issuer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Claims are the claims of a new token. The zero Claims describe a new user without a
// tenant id.
type Claims struct {
	Subject   string        // the claim sub; if empty, a random UUID
	TenantID  string        // the claim app_metadata.customer_id; omitted if empty
	Role      string        // the claim app_metadata.role; omitted if empty
	Email     string        // the claim email; may be empty
	Name      string        // the claim user_metadata.full_name; omitted if empty
	Assurance string        // the claim aal; if empty, aal1
	ClientID  string        // the claim client_id; omitted if empty
	SessionID string        // the claim session_id; if empty, a random UUID
	IssuedAt  time.Time     // the claim iat; if zero, the current time
	Lifetime  time.Duration // the time from iat to exp; if zero, one hour, as in Supabase Auth
}

// Token issues a token.
func (i *Issuer) Token(claims Claims) string {
	key := i.current()
	return key.sign(key.header(), i.Payload(claims))
}

// Header returns the header of the tokens that the current key signs.
func (i *Issuer) Header() map[string]any { return i.current().header() }

func (k signingKey) header() map[string]any {
	return map[string]any{"alg": "ES256", "kid": k.id, "typ": "JWT"}
}

// Payload returns the payload of a token with the given claims. It has all members that
// tokens of Supabase Auth have.
func (i *Issuer) Payload(claims Claims) map[string]any {
	claims = claims.withDefaults()
	issued := claims.IssuedAt.Unix()
	payload := map[string]any{
		"aal":           claims.Assurance,
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
		"user_metadata": claims.userMetadata(),
	}
	if claims.ClientID != "" {
		payload["client_id"] = claims.ClientID
	}
	return payload
}

func (c Claims) withDefaults() Claims {
	if c.Subject == "" {
		c.Subject = newUUID()
	}
	if c.SessionID == "" {
		c.SessionID = newUUID()
	}
	if c.Assurance == "" {
		c.Assurance = "aal1"
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
	if c.TenantID != "" {
		metadata["customer_id"] = c.TenantID
	}
	if c.Role != "" {
		metadata["role"] = c.Role
	}
	return metadata
}

func (c Claims) userMetadata() map[string]any {
	metadata := map[string]any{}
	if c.Name != "" {
		metadata["full_name"] = c.Name
	}
	return metadata
}

// Sign signs a header and a payload with the current key. They may be invalid, so that
// tests can create tokens with exactly one fault. A []byte is used as it is; other values
// are marshalled as JSON. Sign panics if a value cannot be marshalled.
func (i *Issuer) Sign(header, payload any) string {
	return i.current().sign(header, payload)
}

func (k signingKey) sign(header, payload any) string {
	signed := encode(mustMarshal(header)) + "." + encode(mustMarshal(payload))
	return signed + "." + encode(k.signature(signed))
}

// signature returns the ES256 signature of the text in signed. It consists of r and s, 32
// bytes each (RFC 7518, section 3.4).
func (k signingKey) signature(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		panic(err) // signing with a valid key never fails
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
