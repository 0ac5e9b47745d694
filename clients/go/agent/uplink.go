package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// calls are what a device asks the gateway for, over a socket or over HTTP.
type calls interface {
	Claim(context.Context, fieldgate.ClaimRequest, ...fieldgate.CallOption) ([]Command, error)
	Extend(context.Context, string, fieldgate.ExtendRequest) (fieldgate.Lease, error)
	Release(context.Context, string, fieldgate.ReleaseRequest) (fieldgate.ReleasedCommand, error)
	SubmitResult(context.Context, string, fieldgate.ResultRequest) (fieldgate.RecordedResult, error)
	Heartbeat(context.Context, fieldgate.HeartbeatRequest) (fieldgate.HeartbeatReply, error)
}

const (
	// firstConnect is how long the first claim waits for the socket.
	firstConnect = 3 * time.Second

	// rivalPause is the shortest wait before a socket that another one of this device has
	// ended is opened again, to which up to half of it is added at random: two agents with
	// one identity must not chase each other.
	rivalPause = 5 * time.Minute
)

// An uplink is the socket while it is connected, and HTTP while it is not: proxies that
// break sockets, and gateways that are busy with their restart, cost time and no work.
type uplink struct {
	device   *fieldgate.DeviceClient
	config   fieldgate.DeviceSocketConfig
	log      *slog.Logger
	changed  func()        // called when the way has changed
	tried    chan struct{} // closed when the first try to connect is over
	tryOnce  sync.Once
	finished sync.WaitGroup

	mu     sync.Mutex
	socket *fieldgate.DeviceSocket // nil while it is not connected
}

// now gives the way to use, and whether it is a socket.
func (u *uplink) now() (way calls, pushes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.socket != nil {
		return u.socket, true
	}
	return u.device, false
}

// connect keeps a socket open until the context ends. A socket that the gateway has ended
// for good is opened again after a while, for the device may be welcome again.
func (u *uplink) connect(ctx context.Context) {
	u.finished.Go(func() {
		for wait := (backoff{}); ctx.Err() == nil; {
			connected, err := u.hold(ctx)
			if ctx.Err() != nil {
				return
			}
			if connected {
				wait = backoff{}
			}
			u.log.Warn("the socket has ended, polling instead", "error", err)
			pause(ctx, max(wait.delay(err), restOf(err)))
		}
	})
}

// restOf is the least wait after a socket was ended for good.
func restOf(err error) time.Duration {
	if closed, ok := err.(*fieldgate.CloseError); ok && closed.Code == fieldgate.CloseSuperseded {
		return rivalPause + rand.N(rivalPause/2)
	}
	return 0
}

// hold uses one socket to its end, and tells whether it was ever connected.
func (u *uplink) hold(ctx context.Context) (connected bool, err error) {
	var socket *fieldgate.DeviceSocket
	ready := make(chan struct{})
	config := u.config
	config.OnState = func(state fieldgate.SocketState) {
		<-ready
		connected = connected || state.Connected
		u.switchTo(socket, state)
	}
	socket = u.device.Connect(ctx, config)
	close(ready)
	<-socket.Done()
	u.switchTo(nil, fieldgate.SocketState{})
	return connected, socket.Err()
}

func (u *uplink) switchTo(socket *fieldgate.DeviceSocket, state fieldgate.SocketState) {
	if !state.Connected {
		socket = nil
	}
	u.mu.Lock()
	different := u.socket != socket
	u.socket = socket
	u.mu.Unlock()
	u.tryOnce.Do(func() { close(u.tried) })
	switch {
	case different && socket != nil:
		u.log.Info("connected", "connectionId", state.ConnectionID)
	case state.Err != nil:
		u.log.Warn("no socket, polling instead", "error", state.Err, "retryIn", state.RetryIn)
	}
	if different {
		u.changed()
	}
}

// awaitFirst waits until it is known how the first try to connect went.
func (u *uplink) awaitFirst(ctx context.Context) {
	timer := time.NewTimer(firstConnect)
	defer timer.Stop()
	select {
	case <-u.tried:
	case <-timer.C:
	case <-ctx.Done():
	}
}
