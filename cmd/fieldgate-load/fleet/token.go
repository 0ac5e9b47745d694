package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// tokenLifetime is the lifetime of a user's token. A new one is signed at half of it.
const tokenLifetime = time.Hour

// Issuer signs the tokens of the users with a secret that the gateway accepts (HS256, RFC 7515).
type Issuer struct {
	Secret   string `json:"secret"`
	Name     string `json:"name"`     // the claim iss; empty for none
	Audience string `json:"audience"` // the claim aud
}

// source returns a source of tokens of a user of a tenant.
func (i Issuer) source(tenant, user, role string) client.TokenSource {
	var mu sync.Mutex
	var token string
	var renewAt time.Time
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Before(renewAt) {
			return token, nil
		}
		signed, err := i.sign(now, tenant, user, role)
		if err == nil {
			token, renewAt = signed, now.Add(tokenLifetime/2)
		}
		return signed, err
	}
}

// sign returns a token with the claims that the gateway reads by default.
func (i Issuer) sign(now time.Time, tenant, user, role string) (string, error) {
	claims := map[string]any{
		"sub": user, "aud": i.Audience, "iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
		"app_metadata": map[string]string{"customer_id": tenant, "role": role},
	}
	if i.Name != "" {
		claims["iss"] = i.Name
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a token: %w", err)
	}
	signed, err := jws.Sign(payload, jws.WithKey(jwa.HS256, []byte(i.Secret)))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return string(signed), nil
}
