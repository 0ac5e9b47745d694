package customer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

func benchmarkVerify(b *testing.B, cacheSize int) {
	b.Helper()
	iss := customertest.NewIssuer(b)
	cfg := configFor(iss)
	cfg.CacheSize = cacheSize
	v := newVerifier(b, cfg)
	token := iss.Token(issuer.Claims{TenantID: "acme", Role: "operator"})
	_, err := v.Verify(b.Context(), token)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyCold measures the first verification of a token: its ES256 signature and
// its claims.
func BenchmarkVerifyCold(b *testing.B) { benchmarkVerify(b, -1) }

// BenchmarkVerifyCached measures a later verification of a token, which uses the cache.
func BenchmarkVerifyCached(b *testing.B) { benchmarkVerify(b, 0) }
