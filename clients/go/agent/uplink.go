package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// deviceAPI holds the calls of a device that work over HTTP and over a socket.
type deviceAPI interface {
	Claim(context.Context, fieldgate.ClaimRequest, ...fieldgate.CallOption) ([]Command, error)
	Extend(context.Context, string, fieldgate.ExtendRequest) (fieldgate.Lease, error)
	ReportProgress(context.Context, string, fieldgate.ProgressRequest) (fieldgate.ProgressReply, error)
	Release(context.Context, string, fieldgate.ReleaseRequest) (fieldgate.ReleasedCommand, error)
	SubmitResult(context.Context, string, fieldgate.ResultRequest) (fieldgate.RecordedResult, error)
	Heartbeat(context.Context, fieldgate.HeartbeatRequest) (fieldgate.HeartbeatReply, error)
}

const (
	// firstConnectTimeout limits how long the first claim waits for the socket to connect.
	firstConnectTimeout = 3 * time.Second

	// supersededDelay is the minimum delay before reconnecting when another socket of the same
	// device has replaced this one. Up to half of the delay is added at random. Without the
	// delay, two agents with one identity would keep replacing each other's sockets.
	supersededDelay = 5 * time.Minute
)

// An uplink is the connection of a device to the gateway. It uses a socket while one is
// connected, and HTTP otherwise. A broken socket or a restart of the gateway may delay
// commands, but no command is lost.
type uplink struct {
	device      *fieldgate.DeviceClient
	config      fieldgate.DeviceSocketConfig
	log         *slog.Logger
	onChange    func()        // called when the uplink switches between socket and HTTP
	attempted   chan struct{} // closed after the first attempt to connect
	attemptOnce sync.Once
	connecting  sync.WaitGroup // waits for the goroutine that uplink.connect starts

	mu      sync.Mutex
	socket  *fieldgate.DeviceSocket // nil while not connected
	changed chan struct{}           // closed and replaced when socket changes; nil if nothing waits for that
}

// current returns the API to use now, and reports whether that API is a socket.
func (u *uplink) current() (api deviceAPI, isSocket bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.socket != nil {
		return u.socket, true
	}
	return u.device, false
}

// changes returns a channel that is closed when the uplink next switches between socket and HTTP.
func (u *uplink) changes() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.changed == nil {
		u.changed = make(chan struct{})
	}
	return u.changed
}

// connect starts a goroutine that keeps a socket open until ctx ends. The goroutine opens a new
// socket even after a close code that is final for a DeviceSocket. The reason for that code may
// be temporary: a suspended device, for example, may be resumed.
func (u *uplink) connect(ctx context.Context) {
	u.connecting.Go(func() {
		for delay := (backoff{}); ctx.Err() == nil; {
			connected, err := u.serveSocket(ctx)
			if ctx.Err() != nil {
				return
			}
			if connected {
				delay = backoff{}
			}
			u.log.Warn("lost the socket, polling instead", "error", err)
			sleep(ctx, max(delay.delay(err), reconnectDelay(err)))
		}
	})
}

// reconnectDelay returns the minimum delay before reconnecting after a socket has ended with
// err.
func reconnectDelay(err error) time.Duration {
	if closed, ok := err.(*fieldgate.CloseError); ok && closed.Code == fieldgate.CloseSuperseded {
		return supersededDelay + rand.N(supersededDelay/2)
	}
	return 0
}

// serveSocket opens a socket, waits until it ends, and returns its error. It also reports
// whether the socket was connected at any time.
func (u *uplink) serveSocket(ctx context.Context) (connected bool, err error) {
	var socket *fieldgate.DeviceSocket
	ready := make(chan struct{})
	config := u.config
	config.OnState = func(state fieldgate.SocketState) {
		<-ready
		connected = connected || state.Connected
		u.setState(socket, state)
	}
	socket = u.device.Connect(ctx, config)
	close(ready)
	<-socket.Done()
	u.setState(nil, fieldgate.SocketState{})
	return connected, socket.Err()
}

// setState switches to the socket if state reports a connection, and to HTTP otherwise.
func (u *uplink) setState(socket *fieldgate.DeviceSocket, state fieldgate.SocketState) {
	if !state.Connected {
		socket = nil
	}
	u.mu.Lock()
	changed := u.socket != socket
	u.socket = socket
	if changed && u.changed != nil {
		close(u.changed)
		u.changed = nil
	}
	u.mu.Unlock()
	u.attemptOnce.Do(func() { close(u.attempted) })
	switch {
	case changed && socket != nil:
		u.log.Info("connected", "connectionId", state.ConnectionID)
	case state.Err != nil:
		u.log.Warn("connecting the socket failed, polling instead", "error", state.Err, "retryIn", state.RetryIn)
	}
	if changed {
		u.onChange()
	}
}

// awaitFirstAttempt waits until the first attempt to connect has succeeded or failed, for at
// most firstConnectTimeout.
func (u *uplink) awaitFirstAttempt(ctx context.Context) {
	timer := time.NewTimer(firstConnectTimeout)
	defer timer.Stop()
	select {
	case <-u.attempted:
	case <-timer.C:
	case <-ctx.Done():
	}
}
