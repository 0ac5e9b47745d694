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

	require.Contains(t, log.String(), "all instances must have the same")
	require.Equal(t, "1", s.KeepsLonger(), "a shorter retention applies at once")

	client := server.Client(t)
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	s.RecordRetention(t.Context(), 2*time.Hour)
	found, err := s.Retention(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2*time.Hour, found, "a full store does not record a retention")
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())

	require.NoError(t, client.HSet(t.Context(), "fg:meta", "retention_since", time.Now().Add(-11*time.Minute).UnixMilli()).Err())
	s.RecordRetention(t.Context(), 2*time.Hour)
	require.Empty(t, s.KeepsLonger())
	s.RecordRetention(t.Context(), time.Hour) // by an instance with other settings
	s.RecordRetention(t.Context(), 2*time.Hour)
	require.Equal(t, "1", s.KeepsLonger(), "an instance with a shorter retention applies it")
}
