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
		h.turns = turns{make(semaphore, 1), make(semaphore, 1)}
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
		h.turns = turns{make(semaphore, 1), make(semaphore, 1)}
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

// TestAwaitTurn_SlowHandshakePassesItsTurnOn serves two handshakes that wait for the store. The second
// one begins when the first has had its time, and the third one when one of them is done.
func TestAwaitTurn_SlowHandshakePassesItsTurnOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		h.turns = turns{make(semaphore, 1), make(semaphore, 2)}
		began := time.Now()
		first, err := h.AwaitTurn(t.Context())
		require.NoError(t, err)
		second, err := h.AwaitTurn(t.Context())
		require.NoError(t, err)
		require.Equal(t, turnTime, time.Since(began))

		_, err = h.AwaitTurn(t.Context())
		require.Equal(t, fieldgate.CodeOverloaded, fieldgate.CodeOf(err), "a third handshake is served beside two")
		first()
		third, err := h.AwaitTurn(t.Context())
		require.NoError(t, err)
		second()
		third()
		require.Empty(t, h.turns.begun, "a turn is not given back")
		require.Empty(t, h.turns.served)
	})
}
