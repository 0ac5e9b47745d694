package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPacer_DelaysHolderBeyondItsBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(1000, 500)
		start := time.Now()

		require.NoError(t, p.await(t.Context(), "a", 500))
		require.Zero(t, time.Since(start), "a burst is delayed")
		require.NoError(t, p.await(t.Context(), "a", 2000))
		require.Equal(t, 2*time.Second, time.Since(start))
		require.NoError(t, p.await(t.Context(), "b", 500))
		require.Equal(t, 2*time.Second, time.Since(start), "another holder is delayed")
		require.Len(t, p.paid, 2)

		time.Sleep(time.Minute)
		require.NoError(t, p.await(t.Context(), "c", 500))
		require.Len(t, p.paid, 1, "holders that are no longer delayed are kept")
	})
}

func TestPacer_EndsWithRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	require.ErrorIs(t, newPacer(1, 0).await(ctx, "a", 1<<20), context.Canceled)
}
