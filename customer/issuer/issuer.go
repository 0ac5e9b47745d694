// Package issuer is a token issuer for development and tests. Its keys and tokens have
// the same form as those of Supabase Auth, so a verifier that accepts its tokens also
// accepts the tokens of a real project.
//
// An Issuer issues tokens for any user without a password. `fieldgate dev` and tests use
// it; `fieldgate serve` never does. The keys are only in memory, so the tokens become
// invalid when the process ends.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// These are the paths below the URL of a project.
const (
	authPath   = "/auth/v1"
	keysPath   = authPath + "/.well-known/jwks.json"
	healthPath = authPath + "/health"
)

// Issuer issues tokens. It is safe for concurrent use.
type Issuer struct {
	projectURL string

	mu   sync.RWMutex
	keys []signingKey // published keys; the last one signs
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// New returns an issuer with a new ES256 key. projectURL is the URL at which the issuer's
// Handler is served, without a path, as in FIELDGATE_SUPABASE_URL. The claim iss of the
// tokens is derived from projectURL.
func New(projectURL string) (*Issuer, error) {
	i := &Issuer{projectURL: strings.TrimRight(projectURL, "/")}
	return i, i.Rotate()
}

// URL returns the URL of the project.
func (i *Issuer) URL() string { return i.projectURL }

// Name returns the value of the claim iss.
func (i *Issuer) Name() string { return i.projectURL + authPath }

// JWKSURL returns the URL at which the keys are published.
func (i *Issuer) JWKSURL() string { return i.projectURL + keysPath }

// HealthURL returns the URL of the health check.
func (i *Issuer) HealthURL() string { return i.projectURL + healthPath }

// Rotate generates a new key, which signs all further tokens. The previous keys stay
// published, so that their tokens stay valid.
func (i *Issuer) Rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generating a signing key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, signingKey{id: newUUID(), private: private})
	return nil
}

// Withdraw stops publishing all keys except the current one.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// PublicKey returns the public key of the current signing key.
func (i *Issuer) PublicKey() *ecdsa.PublicKey { return &i.current().private.PublicKey }

func (i *Issuer) current() signingKey {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.keys[len(i.keys)-1]
}

// Handler serves the keys and the health check at the paths of Supabase Auth.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+keysPath, i.serveKeys)
	mux.HandleFunc("GET "+healthPath, serveHealth)
	return mux
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=600")
	writeJSON(w, map[string]any{"keys": i.JWKs()})
}

func serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"version":     "development",
		"name":        "GoTrue",
		"description": "GoTrue is a user registration and authentication API",
	})
}

func writeJSON(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document) // fails only if the client has disconnected
}

// JWKs returns the published keys with the members that Supabase Auth publishes. The
// current signing key is the last one.
func (i *Issuer) JWKs() []map[string]any {
	i.mu.RLock()
	defer i.mu.RUnlock()
	published := make([]map[string]any, 0, len(i.keys))
	for _, key := range i.keys {
		published = append(published, key.jwk())
	}
	return published
}

func (k signingKey) jwk() map[string]any {
	point, err := k.private.PublicKey.Bytes() // the bytes are 0x04, x and y (SEC 1, section 2.3.3)
	if err != nil {
		panic(err) // a P-256 key can always be encoded
	}
	return map[string]any{
		"alg":     "ES256",
		"crv":     "P-256",
		"ext":     true,
		"key_ops": []string{"verify"},
		"kid":     k.id,
		"kty":     "EC",
		"use":     "sig",
		"x":       encode(point[1:33]),
		"y":       encode(point[33:]),
	}
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// newUUID returns a random UUID (RFC 9562, section 5.4). The ids of Supabase Auth have
// this form.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never returns an error
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
