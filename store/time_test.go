package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC)
	for text, want := range map[string]time.Time{
		"1763842504120": at, "0": {}, "": {}, "soon": {}, "1.5": {}, "99999999999999999999": {},
	} {
		require.Equal(t, want, store.ParseTime(text), "%q", text)
	}
	require.Equal(t, at, store.TimeOf(1763842504120))
	require.True(t, store.TimeOf(0).IsZero())
}

func TestSleep_EndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store.Sleep(ctx, time.Hour)
	start := time.Now()
	store.Sleep(t.Context(), 20*time.Millisecond)
	require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
}
