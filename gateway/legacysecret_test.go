package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
)

// TestLegacySecret_IsWarnedOfBesideKeys starts a gateway whose issuer publishes keys. Nothing but the
// setting ends the trust in a secret that the issuer has revoked.
func TestLegacySecret_IsWarnedOfBesideKeys(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	for name, c := range map[string]struct {
		url, secret string
		warned      bool
	}{
		"both":   {"http://127.0.0.1:1", secret, true},
		"keys":   {"http://127.0.0.1:1", "", false},
		"secret": {"", secret, false},
	} {
		log := new(bytes.Buffer)
		cfg := gateway.Config{
			Addr: "127.0.0.1:0", SupabaseURL: c.url, JWTSecret: c.secret,
			RedisURL: "redis://127.0.0.1:1", Logger: slog.New(slog.NewTextHandler(log, nil)),
		}
		g, err := gateway.New(t.Context(), cfg)
		require.NoError(t, err)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		require.NoError(t, g.Run(stopped)) // closes the listener
		require.Equal(t, c.warned, strings.Contains(log.String(), "signed with FIELDGATE_JWT_SECRET"), name)
		warned := false
		for _, f := range gateway.Diagnose(t.Context(), cfg) {
			warned = warned || strings.Contains(f.Detail, "signed with FIELDGATE_JWT_SECRET")
		}
		require.Equal(t, c.warned, warned, name)
	}
}
