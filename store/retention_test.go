package store_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestRetention_IsThatOfTheGateway(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	log := new(storetest.Buffer)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	_, err := s.Retention(t.Context())
	require.ErrorIs(t, err, store.ErrNoRetention)

	for _, retention := range []time.Duration{720 * time.Hour, time.Hour} {
		s.RecordRetention(t.Context(), retention)
		found, err := s.Retention(t.Context())
		require.NoError(t, err)
		require.Equal(t, retention, found)
	}

	require.NoError(t, server.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err())
	s.RecordRetention(t.Context(), 2*time.Hour)
	require.Contains(t, log.String(), "recording the retention in the store failed")
}
