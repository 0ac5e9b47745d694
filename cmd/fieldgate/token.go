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

// tokenPath is the path at which a gateway in development mode issues tokens.
const tokenPath = "/dev/token"

// tokenCommand prints a token for a user of a gateway in development mode.
type tokenCommand struct {
	Issuer   string        `env:"FIELDGATE_DEV_ISSUER" default:"http://127.0.0.1:8081" help:"Token issuer of the running 'fieldgate dev'."`
	User     string        `default:"alice" help:"Name of the user."`
	Customer string        `default:"acme" help:"Customer of the user; empty for a user without one."`
	Role     string        `default:"admin" enum:"viewer,operator,approver,admin" help:"Role of the user (viewer, operator, approver, admin)."`
	Lifetime time.Duration `default:"1h" help:"Time that the token is valid."`
}

// Run prints the token and nothing else, so that a shell can assign it to a variable.
func (c *tokenCommand) Run(ctx context.Context) error {
	token, err := requestToken(ctx, c.Issuer, tokenRequest{c.User, c.Customer, c.Role, c.Lifetime})
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

// tokenRequest describes the user for whom a token is requested.
type tokenRequest struct {
	User     string        `json:"user"`
	Customer string        `json:"customer"`
	Role     string        `json:"role"`
	Lifetime time.Duration `json:"lifetime"` // in nanoseconds
}

func (d *devIssuer) issue(t tokenRequest) string {
	return d.Token(issuer.Claims{
		Subject: t.User, TenantID: t.Customer, Role: t.Role,
		Email: t.User + "@example.com", Lifetime: t.Lifetime,
	})
}

// serveToken issues a token. The caller needs no password, so this endpoint exists only in
// development mode, and by default only on loopback.
func (d *devIssuer) serveToken(w http.ResponseWriter, r *http.Request) {
	if isFromPage(r) {
		http.Error(w, "web pages get no token: run `fieldgate token`", http.StatusForbidden)
		return
	}
	var t tokenRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&t); err != nil || t.User == "" {
		http.Error(w, "the body must be JSON with a user", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, d.issue(t))
}

// isFromPage reports whether a web page sent the POST request r. A browser adds an Origin
// header to every POST, even if the page comes from the same host (Fetch standard, section
// 3.2). An attacker's page can reach the issuer through a host name that resolves to loopback
// (DNS rebinding). The page could then read the token and act as any user.
func isFromPage(r *http.Request) bool { return len(r.Header["Origin"]) > 0 }

// requestToken requests a token from the issuer of a running gateway in development mode.
func requestToken(ctx context.Context, issuerURL string, t tokenRequest) (string, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("requesting a token: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, issuerURL+tokenPath, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("requesting a token: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		return "", fmt.Errorf("requesting a token (is `fieldgate dev` running?): %w", err)
	}
	defer response.Body.Close()
	token, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", errors.New("the issuer returned no token: is this the issuer of `fieldgate dev`?")
	}
	return string(token), nil
}
