package handlers

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestHealth_EarlierVersionIsNotReady raises the schema of the store above the one that this program
// reads.
func TestHealth_EarlierVersionIsNotReady(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
	h := &Health{Store: s}
	h.Start()
	_, usable := h.checkStore(t.Context())
	require.True(t, usable)

	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", "99").Err())
	go s.Watch(t.Context()) // checks at once
	require.Eventually(t, s.TooNew, 10*time.Second, 5*time.Millisecond)
	check, usable := h.checkStore(t.Context())
	require.False(t, usable)
	require.Contains(t, check.Error, "upgrade this instance")
}
