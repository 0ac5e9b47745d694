package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestDeviceSocket_EarlyBytesSupersedeNothing sends a handshake with bytes after its headers,
// which a client may only send after the response. It must not close the device's socket.
func TestDeviceSocket_EarlyBytesSupersedeNothing(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	token := f.Login(t, f.device)
	good := g.OpenDevice(t, token)
	registrations := f.lastRegistration(t, url)
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Sec-WebSocket-Protocol: fieldgate.v1\r\nAuthorization: Bearer %s\r\n\r\nearly bytes", gatewaytest.DevicePath, token)
	require.NoError(t, err)
	_, err = bufio.NewReader(conn).ReadString('\n')
	require.Error(t, err, "the handshake succeeded")
	good.Request("heartbeat", object{"status": "ok"}, nil)
	require.Len(t, connections(t, g, f.tenantID), 1)
	require.Equal(t, registrations, f.lastRegistration(t, url), "the handshake was registered")
}

// lastRegistration returns the order of the device's newest registration of a socket.
func (f *fleet) lastRegistration(t testing.TB, url string) (order string) {
	t.Helper()
	s := storetest.Connect(t, store.Config{URL: url})
	require.NoError(t, s.Do(t.Context(), "read", func(ctx context.Context, c store.Client) (err error) {
		order, err = c.HGet(ctx, store.DeviceKey(f.device.ID), "connected").Result()
		return err
	}))
	return order
}
