package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fieldgate/fieldgate/customer/issuer"
)

// tokenPath is where a gateway in development issues tokens to whoever asks.
const tokenPath = "/dev/token"

// tokenCommand prints a customer's token of a gateway in development.
type tokenCommand struct {
	Issuer   string        `env:"FIELDGATE_DEV_ISSUER" default:"http://127.0.0.1:8081" help:"The token issuer of the running 'fieldgate dev'."`
	User     string        `default:"alice" help:"Who the token is for."`
	Customer string        `default:"acme" help:"The customer that the person acts for; empty for a person alone."`
	Role     string        `default:"admin" enum:"viewer,operator,approver,admin" help:"What the person may do (viewer, operator, approver, admin)."`
	Lifetime time.Duration `default:"1h" help:"How long the token is good."`
}

// Run prints the token and nothing else, so that a shell can take it.
func (c *tokenCommand) Run(ctx context.Context) error {
	token, err := requestToken(ctx, c.Issuer, person{c.User, c.Customer, c.Role, c.Lifetime})
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

// person is for whom a token is asked.
type person struct {
	User     string        `json:"user"`
	Customer string        `json:"customer"`
	Role     string        `json:"role"`
	Lifetime time.Duration `json:"lifetime"` // nanoseconds
}

func (d *devIssuer) issue(p person) string {
	return d.Token(issuer.Claims{
		Subject: p.User, TenantID: p.Customer, Role: p.Role,
		Email: p.User + "@example.com", Lifetime: p.Lifetime,
	})
}

// serveToken issues a token. It asks for no password, which is why it exists in
// development only, on loopback.
func (d *devIssuer) serveToken(w http.ResponseWriter, r *http.Request) {
	if isPage(r) {
		http.Error(w, "web pages get no token here", http.StatusForbidden)
		return
	}
	var p person
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&p); err != nil || p.User == "" {
		http.Error(w, "the body must be JSON that names a user", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, d.issue(p))
}

// isPage tells whether a page in a browser asks. A browser names the origin of the page
// in every POST (Fetch standard, section 3.2), also where the page believes to ask its
// own host: one that has its name resolve to loopback (DNS rebinding) could read the
// answer, and with it be anybody.
func isPage(r *http.Request) bool { return len(r.Header["Origin"]) > 0 }

// requestToken asks the issuer of a running gateway in development.
func requestToken(ctx context.Context, issuerURL string, p person) (string, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, issuerURL+tokenPath, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		return "", fmt.Errorf("asking for a token (does `fieldgate dev` run?): %w", err)
	}
	defer response.Body.Close()
	token, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", errors.New("the issuer gave no token: is this the issuer of `fieldgate dev`?")
	}
	return string(token), nil
}
