//go:build unix && !aix

package store

import (
	"io"
	"syscall"
)

// peek returns an error unless the connection is open and has no unread data. It reads nothing
// and does not block.
func peek(raw syscall.RawConn) (found error) {
	err := raw.Read(func(fd uintptr) bool {
		var buf [1]byte
		n, _, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case n > 0:
			found = errPending
		case err == nil:
			found = io.EOF
		case err != syscall.EAGAIN && err != syscall.EWOULDBLOCK:
			found = err
		}
		return true
	})
	if err != nil {
		return err
	}
	return found
}
