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

// submitted gives a result as it arrives at the gateway, and the size of its body in
// bytes.
func submitted(t *testing.T, outcome fieldgate.ResultRequest) (arrived fieldgate.ResultRequest, size int) {
	t.Helper()
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := bodyOf(r)
		size = len(body)
		_ = json.Unmarshal([]byte(body), &arrived)
		answer(w, http.StatusOK, fieldgate.RecordedResult{})
	})
	_, err := gateway.DeviceWithToken(fieldgate.Bearer("token")).SubmitResult(t.Context(), commandID, outcome)
	require.NoError(t, err)
	return arrived, size
}

func TestTextThatFitsIsReportedUnchanged(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "ü", "語", "\n"} {
		outcome := fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput),
			Error:  strings.Repeat(character, fieldgate.MaxError),
		}
		arrived, _ := submitted(t, outcome)
		require.True(t, outcome.Output == arrived.Output)
		require.True(t, outcome.Error == arrived.Error)
	}
}

func TestTextThatIsTooLongIsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "ü", "語"} {
		arrived, _ := submitted(t, fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput+1),
			Error:  strings.Repeat(character, 1_000_000),
		})
		require.Equal(t, fieldgate.MaxOutput, utf8.RuneCountInString(arrived.Output))
		require.True(t, strings.HasPrefix(arrived.Output, character+character))
		require.True(t, strings.HasSuffix(arrived.Output, character+"\n[cut, 262145 characters in all]"))
		require.Equal(t, fieldgate.MaxError, utf8.RuneCountInString(arrived.Error))
		require.True(t, strings.HasSuffix(arrived.Error, character+"\n[cut, 1000000 characters in all]"))
	}
}

func TestAResultFitsTheBodyLimitWhateverWasPrinted(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "語", "🛠", "<", "\x00", "\xff", "\"", "\u2028"} {
		arrived, size := submitted(t, fieldgate.ResultRequest{
			Output: strings.Repeat(character, fieldgate.MaxOutput),
			Error:  strings.Repeat(character, fieldgate.MaxError),
		})
		require.Less(t, size, 900<<10, "%q", character)
		require.Greater(t, utf8.RuneCountInString(arrived.Output), 100_000, "%q", character)
	}
}

func TestARepeatedResultIsCutTheSameWay(t *testing.T) {
	t.Parallel()
	outcome := fieldgate.ResultRequest{Output: strings.Repeat("ab\xff", fieldgate.MaxOutput)}
	first, _ := submitted(t, outcome)
	again, _ := submitted(t, outcome)
	require.True(t, first.Output == again.Output)
}
