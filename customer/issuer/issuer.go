// Package issuer is a token issuer for development and tests. It publishes its
// keys and shapes its tokens as Supabase Auth does, so that whatever accepts
// its tokens accepts those of a real project.
//
// Everybody who holds an Issuer can be anybody: it asks for no password. It is
// for `fieldgate dev` and for tests; `fieldgate serve` never uses it. Its keys
// live in memory, so its tokens end with the process.
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

// The paths under the address of a project.
const (
	authPath   = "/auth/v1"
	keysPath   = authPath + "/.well-known/jwks.json"
	healthPath = authPath + "/health"
)

// Issuer issues tokens. It is safe for concurrent use.
type Issuer struct {
	projectURL string

	mu   sync.RWMutex
	keys []signingKey // the last one signs, all are published
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// New makes an issuer with a fresh ES256 key. The address is where its Handler
// is served, without a path, as FIELDGATE_SUPABASE_URL would have it; its
// tokens name the issuer by it.
func New(projectURL string) (*Issuer, error) {
	i := &Issuer{projectURL: strings.TrimRight(projectURL, "/")}
	return i, i.Rotate()
}

// URL is the address of the project.
func (i *Issuer) URL() string { return i.projectURL }

// Name is what the tokens say in the claim iss.
func (i *Issuer) Name() string { return i.projectURL + authPath }

// JWKSURL is where the keys are published.
func (i *Issuer) JWKSURL() string { return i.projectURL + keysPath }

// HealthURL is where the issuer says that it is up.
func (i *Issuer) HealthURL() string { return i.projectURL + healthPath }

// Rotate makes a new key, which signs from now on. The keys before it stay
// published, so that tokens signed with them stay good.
func (i *Issuer) Rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making a signing key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, signingKey{id: newUUID(), private: private})
	return nil
}

// Withdraw stops publishing all keys but the one that signs now.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// PublicKey is the public half of the key that signs now.
func (i *Issuer) PublicKey() *ecdsa.PublicKey { return &i.current().private.PublicKey }

func (i *Issuer) current() signingKey {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.keys[len(i.keys)-1]
}

// Handler serves the keys and the health of the issuer under the paths of
// Supabase Auth.
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
	_ = json.NewEncoder(w).Encode(document) // the caller hung up
}

// JWKs gives the published keys with the members that Supabase Auth gives
// them. The key that signs is the last.
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
	point, err := k.private.PublicKey.Bytes() // 0x04, x, y (SEC 1, section 2.3.3)
	if err != nil {
		panic(err) // a generated P-256 key always has this form
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

// newUUID gives a random UUID (RFC 9562, section 5.4), the form of the ids at
// Supabase Auth.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
