package fieldgate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestIsBlank_TextWithoutVisibleCharacters(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \t\n", "\u00a0", "\u3000", "\u200b", "\u3164", "\u2800", "\u00ad", "\ufeff", "\u0301", "\ufe0f", "\x00", " \u200b\u3164 ", "\ufffd"} {
		require.True(t, fieldgate.IsBlank(text), "%q", text)
	}
	for _, text := range []string{"a", ".", "7", "é", "停止", "\u200bfire", "🔥"} {
		require.False(t, fieldgate.IsBlank(text), "%q", text)
	}
}
