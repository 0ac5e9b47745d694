package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// claimedAtOnce is the number of commands that a device claims in one call.
const claimedAtOnce = 5

// device is a device of the fleet.
type device struct {
	player  *player
	tenant  *tenant
	number  int         // within its process
	polls   bool        // it has no socket
	visited atomic.Bool // a user has a session on it

	id     string                              // set before client
	client atomic.Pointer[client.DeviceClient] // nil until the device is registered
	socket atomic.Pointer[client.DeviceSocket] // nil if the device polls
	conn   atomic.Pointer[countedConn]         // newest connection of the socket
	wanted atomic.Int64                        // announcements of commands since the last claim

	connected atomic.Bool
	downSince time.Time // when the socket was started, or its connection ended; used by its callbacks
}

// caller sends the calls of a device, over a socket or over HTTP.
type caller interface {
	Claim(ctx context.Context, claim client.ClaimRequest, options ...client.CallOption) ([]client.ClaimedCommand, error)
	SubmitResult(ctx context.Context, commandID string, result client.ResultRequest) (client.RecordedResult, error)
	Heartbeat(ctx context.Context, heartbeat client.HeartbeatRequest) (client.HeartbeatReply, error)
}

// start provisions and registers the device, and then lets it connect or poll until ctx ends.
func (d *device) start(ctx context.Context) error {
	registered, err := d.register(ctx)
	if err != nil {
		return fmt.Errorf("registering a device: %w", err)
	}
	d.id = registered.DeviceID
	c := d.player.gateway(d.number).Device(registered.DeviceID, registered.DeviceSecret)
	d.client.Store(c)
	if d.polls {
		d.player.background.Go(func() { d.poll(d.player.ctx, c) })
		return nil
	}
	d.downSince = time.Now()
	d.player.sockets.add()
	d.socket.Store(c.Connect(d.player.ctx, client.DeviceSocketConfig{
		OnCommands: func(int) { d.announced(d.player.ctx) }, OnState: d.onState, Transport: &http.Transport{DialContext: d.dial},
	}))
	return nil
}

func (d *device) register(ctx context.Context) (registered client.RegisteredDevice, err error) {
	var provisioned client.ProvisionedDevice
	key := withKey()
	err = d.player.until(ctx, "provision", func(ctx context.Context) (err error) {
		provisioned, err = d.tenant.admin.Provision(ctx, client.ProvisionDeviceRequest{Name: fmt.Sprint("load ", d.number)}, key)
		return err
	})
	if err != nil {
		return registered, err
	}
	key = withKey()
	err = d.player.until(ctx, "register", func(ctx context.Context) (err error) {
		registered, err = d.player.gateway(d.number).Register(ctx, client.RegisterDeviceRequest{ActivationCode: provisioned.ActivationCode}, key)
		return err
	})
	return registered, err
}

// dial opens a connection of the socket and keeps it, so that a storm can break it.
func (d *device) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.player.network.dial(d.number)(ctx, network, addr)
	if counted, ok := conn.(*countedConn); ok {
		d.conn.Store(counted)
	}
	return conn, err
}

// onState counts connections that were opened, that ended, and that could not be opened.
func (d *device) onState(s client.SocketState) {
	tally, now := &d.player.tally, time.Now()
	switch was := d.connected.Swap(s.Connected); {
	case s.Connected && !was:
		tally.Add(d.player.sockets.opened(d), now.Sub(d.downSince), nil)
	case was && !s.Connected:
		d.downSince = now
		d.player.sockets.lost()
		tally.Add("connection", 0, s.Err)
	case !s.Connected:
		tally.Add("connect", 0, s.Err)
	}
}

// announced claims and executes commands on a goroutine of its own, until none are left. An
// announcement while it runs makes it claim once more.
func (d *device) announced(ctx context.Context) {
	if d.wanted.Add(1) > 1 {
		return
	}
	d.player.background.Go(func() {
		for more := true; more; {
			seen := d.wanted.Load()
			if socket := d.socket.Load(); socket != nil {
				d.executeAll(ctx, socket)
			}
			more = !d.wanted.CompareAndSwap(seen, 0)
		}
	})
}

// executeAll claims and executes commands until none are left.
func (d *device) executeAll(ctx context.Context, through caller) {
	for {
		claimed, err := d.claim(ctx, "claim", through, 0)
		if err != nil || len(claimed) == 0 {
			return
		}
		for _, c := range claimed {
			d.execute(ctx, through, c)
		}
	}
}

// poll sends waiting claims one after the other, and executes what they return.
func (d *device) poll(ctx context.Context, through caller) {
	for ctx.Err() == nil {
		claimed, err := d.claim(ctx, "poll", through, d.player.part.Scenario.Device.PollWait)
		if err != nil && !pause(ctx, time.Second) {
			return
		}
		for _, c := range claimed {
			d.execute(ctx, through, c)
		}
	}
}

func (d *device) claim(ctx context.Context, act string, through caller, wait time.Duration) (claimed []client.ClaimedCommand, err error) {
	request, key := client.ClaimRequest{
		Limit: claimedAtOnce, VisibilityTimeoutMs: int(d.player.part.Scenario.Device.Lease.Milliseconds()), WaitMs: int(wait.Milliseconds()),
	}, withKey()
	var sent time.Time
	err = d.player.until(ctx, act, func(ctx context.Context) (err error) {
		sent = time.Now()
		claimed, err = through.Claim(ctx, request, key)
		return err
	})
	for _, c := range claimed {
		d.player.ledger.claimed(c, sent)
	}
	return claimed, err
}

// execute takes the time of the work, and submits a result.
func (d *device) execute(ctx context.Context, through caller, c client.ClaimedCommand) {
	if !pause(ctx, d.player.part.Scenario.Device.Work) {
		return
	}
	result := client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: rand.Text()}
	var recorded client.RecordedResult
	err := d.player.until(ctx, "result", func(ctx context.Context) (err error) {
		recorded, err = through.SubmitResult(ctx, c.ID, result)
		return err
	})
	if err == nil {
		d.player.ledger.returned(c.ID, result.Output, recorded)
	}
}

// heartbeat sends one heartbeat, unless there is no connection.
func (d *device) heartbeat(ctx context.Context) {
	var through caller = d.client.Load()
	if socket := d.socket.Load(); socket != nil {
		if !d.connected.Load() {
			return
		}
		through = socket
	}
	began := time.Now()
	_, err := through.Heartbeat(ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	if ctx.Err() == nil {
		d.player.tally.Add("heartbeat", time.Since(began), err)
	}
}
