package seal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/seal"
)

var installation = []byte(strings.Repeat("k", 32))

func newSealer(t testing.TB, key []byte, purpose string, secrets ...string) seal.Sealer {
	t.Helper()
	s, err := seal.New(key, purpose, secrets...)
	require.NoError(t, err)
	return s
}

func TestSealer_OpensOnlyForTheSameCaller(t *testing.T) {
	t.Parallel()
	sealed := newSealer(t, installation, "code", "key", "more").Seal("a secret", "dev_1")
	require.True(t, seal.IsSealed(sealed))
	require.NotContains(t, sealed, "secret")
	opened, err := newSealer(t, installation, "code", "key", "more").Open(sealed, "dev_1")
	require.NoError(t, err)
	require.Equal(t, "a secret", opened)

	for name, other := range map[string]seal.Sealer{
		"another secret":          newSealer(t, installation, "code", "key", "other"),
		"without secrets":         newSealer(t, installation, "code"),
		"another division":        newSealer(t, installation, "code", "keym", "ore"),
		"another purpose":         newSealer(t, installation, "claim", "key", "more"),
		"another installation":    newSealer(t, []byte(strings.Repeat("o", 32)), "code", "key", "more"),
		"only the installation's": newSealer(t, installation, "code", "", ""),
	} {
		_, err := other.Open(sealed, "dev_1")
		require.Error(t, err, name)
	}
	_, err = newSealer(t, installation, "code", "key", "more").Open(sealed, "dev_2")
	require.Error(t, err, "another subject")
}

func TestSealer_RefusesEveryChange(t *testing.T) {
	t.Parallel()
	s := newSealer(t, installation, "code", "key")
	sealed := s.Seal("a secret", "dev_1")
	require.NotEqual(t, sealed, s.Seal("a secret", "dev_1"), "equal texts are seen to be equal")
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		_, err := s.Open(string(changed), "dev_1")
		require.Error(t, err, i)
	}
	for _, text := range []string{"", "s1.", sealed[:len(sealed)-1], sealed + "A", sealed[3:]} {
		_, err := s.Open(text, "dev_1")
		require.Error(t, err, text)
	}
}

// BenchmarkSealer derives a key and seals a text, as a request with an Idempotency-Key does.
func BenchmarkSealer(b *testing.B) {
	for b.Loop() {
		newSealer(b, installation, "code", "4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58").Seal("ABCD2345EFGH", "dev_1")
	}
}
