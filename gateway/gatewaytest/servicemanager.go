package gatewaytest

import (
	"crypto/rand"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// notifyTimeout limits the wait for a notification.
const notifyTimeout = 30 * time.Second

// ServiceManager receives the notifications of a program, as systemd does.
type ServiceManager struct {
	// Socket is the value of NOTIFY_SOCKET for the program.
	Socket string

	conn *net.UnixConn
}

// NewServiceManager returns a manager that listens in the abstract namespace of Linux until the test ends.
func NewServiceManager(t testing.TB) *ServiceManager {
	t.Helper()
	return NewServiceManagerAt(t, "@fieldgate-test-"+rand.Text())
}

// NewServiceManagerAt returns a manager that listens at a socket until the test ends.
func NewServiceManagerAt(t testing.TB, socket string) *ServiceManager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(notifyTimeout)))
	return &ServiceManager{Socket: socket, conn: conn}
}

// Next waits for the next notification and returns it.
func (m *ServiceManager) Next(t testing.TB) string {
	t.Helper()
	state := make([]byte, 64)
	n, err := m.conn.Read(state)
	require.NoError(t, err)
	return string(state[:n])
}
