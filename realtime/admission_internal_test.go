package realtime

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// TestAwaitTurn_OneHandshakeAfterAnother lets handshakes wait for the only turn.
func TestAwaitTurn_OneHandshakeAfterAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		h.turns = make(semaphore, 1)
		release, err := h.AwaitTurn(t.Context())
		require.NoError(t, err)
		served := []int{}
		for i := range 3 {
			go func() {
				next, err := h.AwaitTurn(t.Context())
				if err == nil {
					served = append(served, i)
					next()
				}
			}()
			synctest.Wait()
		}
		require.Empty(t, served, "a handshake is served beside another one")
		release()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, served)
	})
}

// TestAwaitTurn_EndsWithItsTimeOrItsClient waits in vain, once until the end and once until the client
// has gone.
func TestAwaitTurn_EndsWithItsTimeOrItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		h.turns = make(semaphore, 1)
		release, err := h.AwaitTurn(t.Context())
		require.NoError(t, err)
		began := time.Now()
		_, err = h.AwaitTurn(t.Context())
		require.Equal(t, fieldgate.CodeOverloaded, fieldgate.CodeOf(err))
		require.Equal(t, handshakeWait, time.Since(began))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = h.AwaitTurn(ctx)
		require.ErrorIs(t, err, context.Canceled)
		release()
		_, err = h.AwaitTurn(t.Context())
		require.NoError(t, err, "a handshake that has not waited to the end keeps its turn")
	})
}
