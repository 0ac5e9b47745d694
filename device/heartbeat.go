package device

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Heartbeat is what a device says of itself from time to time.
type Heartbeat struct {
	Device          store.Device
	RequestID       string
	Status          string // ok, busy, degraded or error
	Metrics         map[string]float64
	FirmwareVersion string // empty: as it was
}

// Pulse is what a device is told in return.
type Pulse struct {
	ServerTime time.Time
	Next       time.Duration // when to send the next heartbeat
	Ready      int64         // commands that it could claim
	Cancels    []string      // commands that it has claimed and somebody wants cancelled
}

// Heartbeat notes that a device is alive. Its metrics replace those before.
// Refusal: unauthorized for a device that is not active any more.
func (r *Registry) Heartbeat(ctx context.Context, h Heartbeat) (Pulse, error) {
	metrics, err := pack(h.Metrics)
	if err != nil {
		return Pulse{}, err
	}
	scope := r.scope(h.Device, store.ActorDevice(h.Device.ID), h.RequestID)
	reply, err := r.run(ctx, heartbeatScript, h.Device.Keys(),
		scope.Args(h.Status, metrics, h.FirmwareVersion, r.cfg.OnlineWithin.Milliseconds()))
	if err != nil {
		return Pulse{}, err
	}
	pulse := Pulse{ServerTime: moment(reply.String(2)), Next: spread(r.cfg.HeartbeatEvery), Ready: reply.Int(3)}
	for i := range reply.List(4) {
		pulse.Cancels = append(pulse.Cancels, reply.List(4).String(i))
	}
	return pulse, nil
}

// spread moves a duration by up to 10 % either way, so that devices that began
// together do not stay together.
func spread(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*0.2-0.1)*float64(d))
}
