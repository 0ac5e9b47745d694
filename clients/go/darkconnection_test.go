package fieldgate_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A darkConn is a connection on which nothing is delivered any more once dark is set.
type darkConn struct {
	net.Conn
	dark *atomic.Bool
}

func (c darkConn) Write(p []byte) (int, error) {
	if c.dark.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// TestTransport_DarkHTTP2ConnectionIsReplaced covers a connection that a network has forgotten:
// nothing arrives, and no error is reported.
func TestTransport_DarkHTTP2ConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNetwork()
		var plain http.Protocols
		plain.SetUnencryptedHTTP2(true)
		server := &http.Server{Protocols: &plain, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"version": "1.0.0"})
		})}
		go func() { _ = server.Serve(network) }()
		defer server.Close()
		dials, dark := 0, new(atomic.Bool)
		transport := &http.Transport{Protocols: &plain, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			conn, err := network.dial(ctx, "", addr)
			if dials++; dials == 1 {
				return darkConn{conn, dark}, err
			}
			return conn, err
		}}
		gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(transport))
		_, err := gateway.Version(t.Context())
		require.NoError(t, err)
		dark.Store(true)
		start := time.Now()

		for err = context.Canceled; err != nil; {
			_, err = gateway.Version(t.Context())
		}

		require.Less(t, time.Since(start), time.Minute)
		require.Equal(t, 2, dials)
	})
}
