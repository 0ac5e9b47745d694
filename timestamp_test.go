package fieldgate_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestTimestamp_MarshalJSON(t *testing.T) {
	t.Parallel()

	cet := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		name, want string
		time       time.Time
	}{
		{"trailing zeros are kept", "2025-11-22T20:15:04.120Z", time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC)},
		{"a whole second has milliseconds", "2025-11-22T20:15:04.000Z", time.Date(2025, 11, 22, 20, 15, 4, 0, time.UTC)},
		{"microseconds are truncated", "2025-11-22T20:15:04.999Z", time.Date(2025, 11, 22, 20, 15, 4, 999_999_999, time.UTC)},
		{"another time zone is converted", "2025-11-22T20:15:04.120Z", time.Date(2025, 11, 22, 21, 15, 4, 120e6, cet)},
	} {
		text, err := json.Marshal(fieldgate.At(c.time))
		require.NoError(t, err, c.name)
		require.Equal(t, `"`+c.want+`"`, string(text), c.name)
	}
}

func TestTimestamp_RoundTrip(t *testing.T) {
	t.Parallel()

	written := fieldgate.At(time.UnixMilli(1763842504120).UTC())
	text, err := json.Marshal(written)
	require.NoError(t, err)

	var read fieldgate.Timestamp
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, written, read)
}

func TestTimestamp_ZeroIsOmitted(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(struct {
		ClosedAt fieldgate.Timestamp `json:"closedAt,omitzero"`
	}{})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(text))
}
