package device

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// Heartbeat is a periodic report of a device about itself.
type Heartbeat struct {
	Device          store.Device
	RequestID       string
	Status          string // ok, busy, degraded or error
	Reason          string // reason of the status; may be empty
	Metrics         map[string]float64
	FirmwareVersion string // empty if unchanged

	// Login refuses the heartbeat if the device's login has ended. Nil means that the login is
	// not checked.
	Login *store.LoginCheck
}

// HeartbeatReply is the reply to a heartbeat.
type HeartbeatReply struct {
	ServerTime      time.Time
	NextIn          time.Duration // time until the device should send the next heartbeat
	Ready           int64         // number of commands that the device can claim
	CancelRequested []string      // ids of claimed commands that a user asked to cancel
}

// Heartbeat records a heartbeat of a device. Its metrics replace the previous ones.
// Errors: unauthorized if the device is not active or its login has ended; rate_limited.
func (r *Registry) Heartbeat(ctx context.Context, h Heartbeat) (HeartbeatReply, error) {
	metrics, err := encodeMap(h.Metrics)
	if err != nil {
		return HeartbeatReply{}, err
	}
	scope := store.NewScope(h.Device, store.ActorDevice(h.Device.ID), h.RequestID, r.cfg.Retention)
	args := scope.Args(h.Status, metrics, h.FirmwareVersion, r.cfg.OnlineWithin.Milliseconds(), h.Reason)
	result, err := r.store.Run(ctx, heartbeatScript, append(h.Device.Keys(), h.Login.Keys(h.Device)...), append(args, h.Login.Args()...)...)
	h.Login.Note(result)
	if err == nil {
		err = refusal.Of(result)
	}
	if err != nil {
		return HeartbeatReply{}, err
	}
	reply := HeartbeatReply{ServerTime: store.ParseTime(result.String(2)), NextIn: jitter(r.cfg.HeartbeatEvery), Ready: result.Int(3)}
	for i := range result.List(4) {
		reply.CancelRequested = append(reply.CancelRequested, result.List(4).String(i))
	}
	return reply, nil
}

// jitter returns d changed by up to 10 %. Devices that started together then do not send
// their heartbeats together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*0.2-0.1)*float64(d))
}
