package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
		reply, err := s.heartbeat(ctx)
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

// heartbeat sends one, without the readings if it is these that are refused: a device must
// not look as if it were off because a sensor is.
func (s *shift) heartbeat(ctx context.Context) (fieldgate.HeartbeatReply, error) {
	way, _ := s.uplink.now()
	pulse := fieldgate.HeartbeatRequest{Status: s.status(), FirmwareVersion: s.config.Version, Metrics: s.readings()}
	reply, err := way.Heartbeat(ctx, pulse)
	if len(pulse.Metrics) == 0 || !refusesReadings(err) {
		return reply, err
	}
	s.withoutReadings(err)
	pulse.Metrics = nil
	return way.Heartbeat(ctx, pulse)
}

// refusesReadings tells whether an error may be about the readings: NaN is no number in JSON,
// and the gateway has bounds for their names and how many there are.
func refusesReadings(err error) bool {
	var unwritable *json.UnsupportedValueError
	return errors.As(err, &unwritable) || unfit(fieldgate.CodeOf(err))
}

// readings asks for those of the next heartbeat.
func (s *shift) readings() (readings fieldgate.Metrics) {
	if s.config.Metrics == nil {
		return nil
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.withoutReadings(fmt.Errorf("asking for them panicked: %v", fault))
			readings = nil
		}
	}()
	return s.config.Metrics()
}

// withoutReadings says so once, for it would be said with each heartbeat.
func (s *shift) withoutReadings(err error) {
	s.oddReadings.Do(func() { s.log.Error("heartbeats go without the metrics", "error", err) })
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
