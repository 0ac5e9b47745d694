package gateway

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listenLocally returns a bounded listener and a function that connects to it.
func listenLocally(t *testing.T, limit int) (*boundedListener, func() net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := newBoundedListener(plain, limit)
	t.Cleanup(func() { _ = l.Close() })
	return l, func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// acceptOne accepts a connection in the background.
func acceptOne(l *boundedListener) <-chan net.Conn {
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			accepted <- conn
		}
		close(accepted)
	}()
	return accepted
}

// isWaiting reports whether Accept waits until a connection is closed.
func (l *boundedListener) isWaiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

func TestBoundedListener_WaitsForClose(t *testing.T) {
	t.Parallel()
	l, dial := listenLocally(t, 1)
	dial()
	first := <-acceptOne(l)
	dial()
	second := acceptOne(l)
	require.Eventually(t, l.isWaiting, 10*time.Second, time.Millisecond)
	require.Empty(t, second)
	require.NoError(t, first.Close())
	require.Error(t, first.Close(), "a second Close must free no other connection")
	require.NotNil(t, <-second)
	require.Equal(t, 1, l.open())
}

// TestBoundedListener_ClosesConnectionIdleForLongest accepts a further connection while two
// are idle and one is busy.
func TestBoundedListener_ClosesConnectionIdleForLongest(t *testing.T) {
	t.Parallel()
	l, dial := listenLocally(t, 3)
	clients, servers := [3]net.Conn{}, [3]net.Conn{}
	for i := range 3 {
		clients[i] = dial()
		servers[i] = <-acceptOne(l)
		l.track(servers[i], http.StateIdle)
	}
	l.track(servers[0], http.StateActive)
	dial()
	require.NotNil(t, <-acceptOne(l))
	_, err := clients[1].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 3, l.open())
}

// TestBoundedListener_ClosesNextIdle accepts a further connection while all are busy.
func TestBoundedListener_ClosesNextIdle(t *testing.T) {
	t.Parallel()
	l, dial := listenLocally(t, 1)
	dial()
	first := <-acceptOne(l)
	dial()
	second := acceptOne(l)
	require.Eventually(t, func() bool {
		l.track(first, http.StateActive)
		l.track(first, http.StateIdle)
		return len(second) > 0
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, 1, l.open())
}

func TestBoundedListener_CloseEndsAccept(t *testing.T) {
	t.Parallel()
	l, dial := listenLocally(t, 1)
	dial()
	<-acceptOne(l)
	waiting := acceptOne(l)
	require.NoError(t, l.Close())
	require.Nil(t, <-waiting)
}
