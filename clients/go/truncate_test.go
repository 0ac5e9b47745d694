package fieldgate_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// submit submits result. It returns the result that the gateway received, and the size of the
// request body in bytes.
func submit(t *testing.T, result fieldgate.ResultRequest) (received fieldgate.ResultRequest, size int) {
	t.Helper()
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := readBody(r)
		size = len(body)
		_ = json.Unmarshal([]byte(body), &received)
		writeJSON(w, http.StatusOK, fieldgate.RecordedResult{})
	})
	_, err := gateway.DeviceWithToken(fieldgate.Bearer("token")).SubmitResult(t.Context(), commandID, result)
	require.NoError(t, err)
	return received, size
}

func TestTruncate_TextWithinTheLimits(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "ü", "語", "\n"} {
		result := fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput),
			Error:  strings.Repeat(character, fieldgate.MaxError),
		}
		received, _ := submit(t, result)
		require.True(t, result.Output == received.Output)
		require.True(t, result.Error == received.Error)
	}
}

func TestTruncate_MarksLongerText(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "ü", "語"} {
		received, _ := submit(t, fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput+1),
			Error:  strings.Repeat(character, 1_000_000),
		})
		require.Equal(t, fieldgate.MaxOutput, utf8.RuneCountInString(received.Output))
		require.True(t, strings.HasPrefix(received.Output, character+character))
		require.True(t, strings.HasSuffix(received.Output, character+"\n[cut, 262145 characters in all]"))
		require.Equal(t, fieldgate.MaxError, utf8.RuneCountInString(received.Error))
		require.True(t, strings.HasSuffix(received.Error, character+"\n[cut, 1000000 characters in all]"))
	}
}

func TestTruncate_FitsTheBodyLimit(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "語", "🛠", "<", "\x00", "\xff", "\"", "\u2028"} {
		received, size := submit(t, fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput),
			Error:  strings.Repeat(character, fieldgate.MaxError),
		})
		require.Less(t, size, 900<<10, "%q", character)
		require.Greater(t, utf8.RuneCountInString(received.Output), 100_000, "%q", character)
	}
}

func TestTruncate_IsDeterministic(t *testing.T) {
	t.Parallel()
	result := fieldgate.ResultRequest{Output: strings.Repeat("ab\xff", fieldgate.MaxOutput)}
	first, _ := submit(t, result)
	second, _ := submit(t, result)
	require.True(t, first.Output == second.Output)
}

func TestTruncateText_KeepsEarlierMark(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", fieldgate.MaxOutput+5)
	once := fieldgate.TruncateResult(fieldgate.ResultRequest{Output: whole}).Output

	twice := fieldgate.TruncateText(once, 1000)

	require.LessOrEqual(t, len(twice), 1000)
	require.True(t, strings.HasSuffix(twice, "x\n[cut, 262149 characters in all]"))
	require.Equal(t, "\n[cut, 4 characters in all]", fieldgate.TruncateText("abcd", 0))
	require.Equal(t, "abcd", fieldgate.TruncateText("abcd", 4))
}
