package gateway_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// linkSpeedup is the factor by which shaped links, and all times that matter on them, are faster
// than real ones, so that a test of a minute takes seconds.
const linkSpeedup = 10

// segment is the size of a TCP segment in bytes.
const segment = 1400

// A linkShape describes a real link: its rate, its delay, and its loss of segments.
type linkShape struct {
	bitsPerSecond int
	delay         time.Duration
	loss          float64
	stall         time.Duration // time for which a lost segment delays what follows: the retransmission
}

// A shapedLink is a proxy between a device and a gateway that behaves like a slow link. All
// connections share its rate. The losses follow from the seed.
type shapedLink struct {
	shape    linkShape
	target   string
	listener net.Listener

	mu    sync.Mutex
	loss  *rand.Rand
	free  [2]time.Time // when each direction can carry the next segment: to the gateway, to the device
	sent  [2]int64     // bytes carried in each direction
	conns int          // connections that were accepted
}

// The directions of a shapedLink.
const (
	toGateway = iota
	toDevice
)

func newShapedLink(t *testing.T, target string, shape linkShape, seed uint64) *shapedLink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &shapedLink{shape: shape, target: target, listener: listener, loss: rand.New(rand.NewPCG(seed, 1))}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.serve(ctx, conn) })
		}
	})
	return l
}

func (l *shapedLink) url() string { return "http://" + l.listener.Addr().String() }

// serve carries one connection.
func (l *shapedLink) serve(ctx context.Context, device net.Conn) {
	defer device.Close()
	gateway, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer gateway.Close()
	defer context.AfterFunc(ctx, func() { _ = device.Close(); _ = gateway.Close() })()
	l.mu.Lock()
	l.conns++
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.carry(ctx, toGateway, gateway, device) })
	both.Go(func() { l.carry(ctx, toDevice, device, gateway) })
	both.Wait()
}

// carry copies from source to sink, segment by segment. The end of one direction ends both.
func (l *shapedLink) carry(ctx context.Context, direction int, sink, source net.Conn) {
	defer sink.Close()
	defer source.Close()
	for buffer := make([]byte, segment); ; {
		n, err := source.Read(buffer)
		if n > 0 && !l.await(ctx, direction, n) {
			return
		}
		if _, failed := sink.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// await waits until the link has carried a segment of n bytes.
func (l *shapedLink) await(ctx context.Context, direction, n int) bool {
	timer := time.NewTimer(time.Until(l.reserve(direction, n)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reserve reserves the link for a segment and returns when it arrives.
func (l *shapedLink) reserve(direction, n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	start := l.free[direction]
	if start.Before(now) {
		start = now
	}
	onAir := time.Duration(n) * 8 * time.Second / time.Duration(l.shape.bitsPerSecond*linkSpeedup)
	l.sent[direction] += int64(n)
	l.free[direction] = start.Add(onAir)
	arrives := l.free[direction].Add(l.shape.delay / linkSpeedup)
	if l.loss.Float64() < l.shape.loss {
		l.sent[direction] += int64(n) // it is sent again
		arrives = arrives.Add(l.shape.stall / linkSpeedup)
	}
	return arrives
}

// counts returns the bytes that the device sent, and the number of its connections.
func (l *shapedLink) counts() (sent int64, conns int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[toGateway], l.conns
}

func TestShapedLink_HasRateOfShape(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = echo.Close() })
	received := make(chan int64, 1)
	go func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	l := newShapedLink(t, echo.Addr().String(), linkShape{bitsPerSecond: 12_000, loss: 0.02, stall: time.Second}, 1)
	conn, err := net.Dial("tcp", l.listener.Addr().String())
	require.NoError(t, err)
	start := time.Now()
	_, err = conn.Write(make([]byte, 15_000)) // 10 s at 12 kbit/s
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	require.EqualValues(t, 15_000, <-received)

	require.GreaterOrEqual(t, time.Since(start), 10*time.Second/linkSpeedup)
}
