package program

import (
	"context"
	"fmt"
	"net"
	"os"
)

// NotifyReady notifies the service manager that the program is ready, and when ctx ends, that it is
// stopping. It does nothing if the service manager does not wait for that: systemd sets
// NOTIFY_SOCKET for services of Type=notify.
func NotifyReady(ctx context.Context) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	if err := notify(socket, "READY=1"); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = notify(socket, "STOPPING=1") })
	return nil
}

// notify sends a state to the datagram socket of the service manager. A name that begins with @ is
// in the abstract namespace of Linux.
func notify(socket, state string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return fmt.Errorf("connecting to the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notifying the service manager: %w", err)
	}
	return nil
}
