package storetest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// FreeAddr returns an unused host and port. The port is below those from which systems choose by themselves, so
// that no listener and no connection of another test takes it before the test uses it.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeAddr()
	require.NoError(t, err)
	return addr
}

// freeAddr tries random ports from 15000 to 31999. Linux chooses ports from 32768 on (ip(7), ip_local_port_range).
func freeAddr() (addr string, err error) {
	for range 100 {
		listener, listenErr := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(15_000+rand.IntN(17_000))))
		if listenErr == nil {
			return listener.Addr().String(), listener.Close()
		}
		err = listenErr
	}
	return "", err
}
