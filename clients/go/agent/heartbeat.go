package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Bounds on the heartbeat interval that the gateway may request.
const (
	minHeartbeatInterval = time.Second
	maxHeartbeatInterval = 10 * time.Minute
)

// maxReason is the maximum length of the reason in a heartbeat, in bytes. The contract counts
// characters.
const maxReason = 256

// MetricUnrecorded is the name of the metric that is 1 while the device is degraded because its
// journal cannot be written: the disk is full, broken or read-only.
const MetricUnrecorded = "journalUnwritable"

// heartbeatLoop sends heartbeats at the interval that the gateway asks for, until ctx ends.
func (w *worker) heartbeatLoop(ctx context.Context) {
	for delay := (backoff{}); ctx.Err() == nil; {
		changed := w.uplink.changes()
		reply, err := w.sendHeartbeat(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.log.Warn("sending a heartbeat failed, trying again", "error", err)
			}
			w.pause(ctx, delay.delay(err), err, changed)
			continue
		}
		delay = backoff{}
		for _, id := range reply.CancelRequested {
			w.cancel(id, "")
		}
		if reply.PendingCommands > 0 {
			w.wakeClaimLoop()
		}
		next := time.Duration(reply.NextHeartbeatMs) * time.Millisecond
		sleep(ctx, min(max(next, minHeartbeatInterval), maxHeartbeatInterval))
	}
}

// sendHeartbeat sends one heartbeat. If the gateway refuses it, sendHeartbeat repeats it with less, because
// a device with a broken sensor or an earlier gateway must not appear offline.
func (w *worker) sendHeartbeat(ctx context.Context) (reply fieldgate.HeartbeatReply, err error) {
	api, _ := w.uplink.current()
	_ = w.journal.repair()
	full := fieldgate.HeartbeatRequest{FirmwareVersion: w.config.Version, Metrics: w.readMetrics()}
	full.Status, full.Reason = w.status()
	for _, request := range heartbeatForms(full) {
		if reply, err = api.Heartbeat(ctx, request); !isAboutContent(err) {
			break
		}
		w.logHeartbeatError(err)
	}
	return reply, err
}

// heartbeatForms returns the forms in which a heartbeat is sent until the gateway accepts one. A gateway of
// release 1.0.0 knows no reason, so the reason is left out first, and the metrics next.
func heartbeatForms(full fieldgate.HeartbeatRequest) []fieldgate.HeartbeatRequest {
	noReason, noMetrics, neither := full, full, full
	noReason.Reason, noMetrics.Metrics = "", nil
	neither.Reason, neither.Metrics = "", nil
	switch hasReason, hasMetrics := full.Reason != "", len(full.Metrics) > 0; {
	case hasReason && hasMetrics:
		return []fieldgate.HeartbeatRequest{full, noReason, noMetrics, neither}
	case hasReason:
		return []fieldgate.HeartbeatRequest{full, noReason}
	case hasMetrics:
		return []fieldgate.HeartbeatRequest{full, noMetrics}
	}
	return []fieldgate.HeartbeatRequest{full}
}

// isAboutContent reports whether the reason or the metrics may have caused err, the error of a heartbeat.
// JSON has no NaN, and the gateway limits the number of metrics and the form of their names.
func isAboutContent(err error) bool {
	var unsupported *json.UnsupportedValueError
	return errors.As(err, &unsupported) || isInvalidRequest(fieldgate.CodeOf(err))
}

// readMetrics returns the metrics of Config.Metrics. While the journal cannot be written, it adds
// [MetricUnrecorded], so that users see why the device is degraded.
func (w *worker) readMetrics() fieldgate.Metrics {
	metrics := w.callMetrics()
	if w.journal.health() == nil {
		return metrics
	}
	if metrics = maps.Clone(metrics); metrics == nil {
		metrics = fieldgate.Metrics{}
	}
	metrics[MetricUnrecorded] = 1
	return metrics
}

// callMetrics calls Config.Metrics. It returns nil if Metrics is nil or panics.
func (w *worker) callMetrics() (metrics fieldgate.Metrics) {
	if w.config.Metrics == nil {
		return nil
	}
	defer func() {
		if fault := recover(); fault != nil {
			w.logHeartbeatError(fmt.Errorf("reading the metrics panicked: %v", fault))
			metrics = nil
		}
	}()
	return w.config.Metrics()
}

// logHeartbeatError logs the first error about the content of heartbeats and ignores later ones. Otherwise
// the same error would be logged with every heartbeat.
func (w *worker) logHeartbeatError(err error) {
	w.heartbeatError.Do(func() { w.log.Error("sending heartbeats without the metrics or the reason", "error", err) })
}

// status returns the status of the device and the reason of it. The status is degraded while the
// journal cannot be written, because only repeatable commands run in that state, and while too many
// results wait for submission, because the device then claims no command. It is also degraded while the
// gateway sends a roster that the device does not accept.
func (w *worker) status() (status fieldgate.HeartbeatStatus, reason string) {
	w.mu.Lock()
	busy, stuck := len(w.jobs) > 0, len(w.submissions) >= maxPendingResults
	w.mu.Unlock()
	err, rosterErr := w.journal.health(), w.roster.health()
	switch {
	case err != nil:
		return fieldgate.HeartbeatStatusDegraded, fieldgate.TruncateText("the journal cannot be written: "+err.Error(), maxReason)
	case rosterErr != nil:
		return fieldgate.HeartbeatStatusDegraded, fieldgate.TruncateText(rosterErr.Error(), maxReason)
	case stuck:
		return fieldgate.HeartbeatStatusDegraded, fmt.Sprintf("%d results wait to be submitted, so no command is claimed", maxPendingResults)
	case busy:
		return fieldgate.HeartbeatStatusBusy, ""
	}
	return fieldgate.HeartbeatStatusOk, ""
}
