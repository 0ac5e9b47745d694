package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

const (
	// maxPendingResults is the maximum number of results that may wait for submission. At this
	// number, the worker stops claiming.
	maxPendingResults = 64

	// fallbackClaimInterval is the interval between claims over a connected socket while the
	// gateway announces no commands. It is long, because the response to each heartbeat also has the
	// number of commands that wait.
	fallbackClaimInterval = 30 * time.Minute

	// shutdownTimeout bounds each of the last two steps of a shutdown: waiting for handlers
	// whose contexts have ended, and submitting the remaining results.
	shutdownTimeout = 5 * time.Second
)

// A worker is one run of an agent. It claims commands, runs their handlers and submits the
// results until it shuts down.
type worker struct {
	config   Config
	handlers map[string]registered
	log      *slog.Logger
	journal  *journal
	uplink   *uplink
	roster   *rosterFile
	deviceID string

	slots chan struct{} // semaphore with one element for each running command
	wake  chan struct{} // receives an element when commands may be ready

	stopping chan struct{} // closed when the shutdown begins

	handling   sync.WaitGroup // waits for running handlers, and for commands that wait for a slot to run again
	submitting sync.WaitGroup // waits for submissions of results and releases of commands
	background sync.WaitGroup // waits for the loops of the heartbeats and of the roster

	uploads uploads

	admission sync.Mutex // held while a claimed command is looked up in the journal and recorded

	heartbeatError sync.Once // limits the log to one message about the content of heartbeats

	mu          sync.Mutex
	jobs        map[string]*job // by command ID
	orphans     map[string]int  // number of abandoned handlers that still run, by command type
	submissions map[string]int  // number of requests to submit a result, by the IDs of commands whose results are being submitted
	claiming    bool            // whether results may claim and start commands
	nextRefused bool            // whether the gateway has refused a result that claims the next command
	closed      bool            // whether this worker has stopped recording results; the next run then resumes the commands
}

func newWorker(a *Agent, device identity, journal *journal) *worker {
	w := &worker{
		config: a.config, handlers: a.handlers, journal: journal, deviceID: device.DeviceID,
		jobs: map[string]*job{}, orphans: map[string]int{}, submissions: map[string]int{},
		log:   a.config.Logger.With("device", device.DeviceID),
		slots: make(chan struct{}, a.config.Concurrency), wake: make(chan struct{}, 1),
		stopping: make(chan struct{}),
	}
	w.roster = openRoster(a.config.StateFile+".roster", a.config.Trust.Roster, w.log)
	journal.guards, journal.now = a.config.Trust.guards, a.config.Trust.Now
	w.uplink = &uplink{
		device: a.gateway.Device(device.DeviceID, device.DeviceSecret), log: w.log,
		onChange: w.wakeClaimLoop, attempted: make(chan struct{}),
		config: fieldgate.DeviceSocketConfig{
			OnCommands: func(int) { w.wakeClaimLoop() }, OnCancel: w.cancel, Transport: a.config.Transport,
		},
	}
	return w
}

// run claims and runs commands until ctx ends, and then shuts down. The base context outlives
// ctx: extensions, submissions and heartbeats use it during the shutdown.
func (w *worker) run(ctx context.Context) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	w.log.Info("started", "types", len(w.handlers), "concurrency", w.config.Concurrency,
		"trust", w.config.Trust.Mode, "approvalsFor", slices.Sorted(maps.Keys(w.config.Trust.Require)))
	if !w.config.PollOnly {
		w.uplink.connect(base)
		w.uplink.awaitFirstAttempt(ctx)
	}
	rosterErr := w.roster.follow(ctx, w.uplink.device)
	w.background.Go(func() { w.heartbeatLoop(base) })
	w.background.Go(func() { w.followLoop(base, rosterErr) })
	w.setClaiming(true)
	w.resume(ctx, base)
	w.claimLoop(ctx, base)
	w.setClaiming(false)
	w.shutdown()
	cancel()
	w.submitting.Wait()
	w.background.Wait()
	w.uplink.connecting.Wait()
	w.log.Info("stopped")
}

// shutdown waits for the handlers to finish. After Config.Grace it ends their contexts. Then it
// waits until the results are submitted. Each step has a timeout.
func (w *worker) shutdown() {
	close(w.stopping)
	if !waitTimeout(&w.handling, w.config.Grace) {
		w.cancelAll(ErrShutdown)
		if !waitTimeout(&w.handling, shutdownTimeout) {
			w.log.Error("stopped waiting for handlers: the next start reports their commands as interrupted")
		}
	}
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	if !waitTimeout(&w.submitting, shutdownTimeout) {
		w.log.Warn("stopped submitting results: the rest is kept for the next start")
	}
}

// waitTimeout waits for group, but not longer than timeout. It reports whether the group
// finished.
func waitTimeout(group *sync.WaitGroup, timeout time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// wakeClaimLoop makes a waiting claimLoop claim immediately.
func (w *worker) wakeClaimLoop() {
	select {
	case w.wake <- struct{}{}:
	default: // a wake-up is already pending
	}
}

func (w *worker) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// retry repeats call until it succeeds, is refused permanently, or ctx ends. It returns the
// last error of call. action names the call in the log.
func (w *worker) retry(ctx context.Context, action string, call func(deviceAPI) error) error {
	for delay := (backoff{}); ; {
		changed := w.uplink.changes()
		api, _ := w.uplink.current()
		err := call(api)
		if err == nil || isPermanent(err) {
			return err
		}
		if ctx.Err() == nil {
			w.log.Warn(action+" failed, trying again", "error", err)
		}
		if !w.pause(ctx, delay.delay(err), err, changed) {
			return err
		}
	}
}

// pause waits for d after a call that has failed with err, but not after changed is closed: if the socket is
// connected again, the next call may succeed at once. A wait that the gateway has asked for does not end
// with that. pause reports whether ctx is still active.
func (w *worker) pause(ctx context.Context, d time.Duration, err error, changed <-chan struct{}) bool {
	if retryAfter(err) > 0 {
		changed = nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
