package agent

import (
	"context"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// How long to wait for the next heartbeat, whatever the gateway says.
const (
	soonestBeat = time.Second
	latestBeat  = 10 * time.Minute
)

// beat shows that the device is alive, as often as the gateway wants it.
func (s *shift) beat(ctx context.Context) {
	for wait := (backoff{}); ctx.Err() == nil; {
		way, _ := s.uplink.now()
		reply, err := way.Heartbeat(ctx, s.pulse())
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("the heartbeat failed, trying again", "error", err)
			}
			wait.pause(ctx, err)
			continue
		}
		wait = backoff{}
		for _, id := range reply.CancelRequested {
			s.cancel(id, "")
		}
		if reply.PendingCommands > 0 {
			s.lookForWork()
		}
		next := time.Duration(reply.NextHeartbeatMs) * time.Millisecond
		pause(ctx, min(max(next, soonestBeat), latestBeat))
	}
}

func (s *shift) pulse() fieldgate.HeartbeatRequest {
	pulse := fieldgate.HeartbeatRequest{Status: s.status(), FirmwareVersion: s.config.Version}
	if s.config.Metrics != nil {
		pulse.Metrics = s.config.Metrics()
	}
	return pulse
}

// status is degraded while nothing can be done because nothing can be written down.
func (s *shift) status() fieldgate.HeartbeatStatus {
	s.mu.Lock()
	busy := len(s.jobs) > 0
	s.mu.Unlock()
	switch {
	case s.journal.health() != nil:
		return fieldgate.HeartbeatStatusDegraded
	case busy:
		return fieldgate.HeartbeatStatusBusy
	}
	return fieldgate.HeartbeatStatusOk
}
