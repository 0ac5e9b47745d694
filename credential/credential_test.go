package credential_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/credential"
)

func TestMint_RecognizesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	secret := []byte(strings.Repeat("s", 32))
	mint := credential.NewMint(secret, "login")
	made := mint.New("dev_1")
	require.Len(t, made, credential.Length)
	require.True(t, mint.Recognizes("dev_1", made))
	require.True(t, credential.NewMint(secret, "login").Recognizes("dev_1", made), "another instance")

	require.False(t, mint.Recognizes("dev_2", made))
	require.False(t, credential.NewMint(secret, "ticket").Recognizes("dev_1", made))
	require.False(t, credential.NewMint([]byte("other"), "login").Recognizes("dev_1", made))
	require.NotEqual(t, made, mint.New("dev_1"))
	for i := range made {
		changed := []byte(made)
		changed[i] ^= 1
		require.False(t, mint.Recognizes("dev_1", string(changed)), i)
	}
	for _, text := range []string{"", made[1:], made + "A", made + "\n", made[:20] + "\n" + made[20:], strings.ToLower(made), strings.Repeat("A", 43)} {
		require.False(t, mint.Recognizes("dev_1", text), text)
	}
}
