package diagnostics

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// Constants for echo requests: the types of the messages (RFC 792, RFC 4443), the interval
// between two requests, and the time limit for a reply.
const (
	echo4, echoReply4 = 8, 0
	echo6, echoReply6 = 128, 129
	echoInterval      = 200 * time.Millisecond
	echoTimeout       = 2 * time.Second
)

// pingBySocket sends echo requests over an unprivileged ICMP socket (icmp(7)). The kernel sets
// the identifier and the checksum, and delivers only replies to this socket. pingBySocket
// returns errNoSocket if the agent may not open an ICMP socket.
func pingBySocket(ctx context.Context, target net.IP) (agent.Result, error) {
	socket, err := openEcho(target)
	if err != nil {
		return agent.Result{}, err
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	var times []float64
	for i := range pings {
		took, err := echo(socket, target, uint16(i))
		switch {
		case ctx.Err() != nil:
			return agent.Result{}, ctx.Err()
		case err == nil:
			times = append(times, milliseconds(took))
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return agent.Result{}, networkFailure(ctx, "sending an echo request", err)
		}
		if i < pings-1 && !sleep(ctx, echoInterval) {
			return agent.Result{}, ctx.Err()
		}
	}
	result := summary(target, times)
	if len(times) == 0 {
		return result, agent.Fail("no_reply", "the host does not reply")
	}
	return result, nil
}

// sleep waits for d or until ctx ends, and reports whether it waited for all of d.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// openEcho opens an ICMP socket for the address family of target.
func openEcho(target net.IP) (net.PacketConn, error) {
	family, protocol := syscall.AF_INET, syscall.IPPROTO_ICMP
	if target.To4() == nil {
		family, protocol = syscall.AF_INET6, syscall.IPPROTO_ICMPV6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, errors.Join(errNoSocket, err)
	}
	file := os.NewFile(uintptr(fd), "icmp")
	defer file.Close()
	socket, err := net.FilePacketConn(file)
	if err != nil {
		return nil, errors.Join(errNoSocket, err)
	}
	return socket, nil
}

// echo sends one echo request and returns the time until the reply arrived.
func echo(socket net.PacketConn, target net.IP, sequence uint16) (time.Duration, error) {
	request, reply := byte(echo4), byte(echoReply4)
	if target.To4() == nil {
		request, reply = echo6, echoReply6
	}
	message := make([]byte, 8+16)
	message[0] = request
	binary.BigEndian.PutUint16(message[6:], sequence)
	start := time.Now()
	if err := socket.SetDeadline(start.Add(echoTimeout)); err != nil {
		return 0, err
	}
	if _, err := socket.WriteTo(message, &net.UDPAddr{IP: target}); err != nil {
		return 0, err
	}
	for buffer := make([]byte, 1500); ; {
		n, _, err := socket.ReadFrom(buffer)
		if err != nil {
			return 0, err
		}
		if n >= 8 && buffer[0] == reply && binary.BigEndian.Uint16(buffer[6:]) == sequence {
			return time.Since(start), nil
		}
	}
}
