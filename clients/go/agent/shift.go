package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

const (
	// maxUnreported is how many outcomes may wait for the gateway before no more work is
	// taken on.
	maxUnreported = 64

	// lookAfter is how long a device with a socket goes without asking for work that
	// nobody has told it of.
	lookAfter = 5 * time.Minute

	// lastWords is how long stopped handlers may take to return, and then outcomes to
	// reach the gateway, before the agent ends without.
	lastWords = 5 * time.Second
)

// A shift is one run of an agent: it claims, works and reports, until it is to end.
type shift struct {
	config   Config
	handlers map[string]registered
	log      *slog.Logger
	journal  *journal
	uplink   *uplink

	slots chan struct{} // holds one for each command that is being done
	wake  chan struct{} // holds one when there may be work

	handling  sync.WaitGroup // handlers, and what repeats an earlier life's
	reporting sync.WaitGroup
	tasks     sync.WaitGroup // the rest

	oddReadings sync.Once // for saying that there are readings that cannot be sent

	mu      sync.Mutex
	jobs    map[string]*job // by command id
	strays  map[string]int  // handlers that were given up and still run, by type
	waiting int             // outcomes on their way
	ended   bool            // what handlers give from now on is left to the next life
}

func newShift(a *Agent, me identity, journal *journal) *shift {
	s := &shift{
		config: a.config, handlers: a.handlers, journal: journal,
		jobs: map[string]*job{}, strays: map[string]int{},
		log:   a.config.Logger.With("deviceId", me.DeviceID),
		slots: make(chan struct{}, a.config.Concurrency), wake: make(chan struct{}, 1),
	}
	s.uplink = &uplink{
		device: a.gateway.Device(me.DeviceID, me.DeviceSecret), log: s.log,
		changed: s.lookForWork, tried: make(chan struct{}),
		config: fieldgate.DeviceSocketConfig{
			OnCommands: func(int) { s.lookForWork() }, OnCancel: s.cancel, Transport: a.config.Transport,
		},
	}
	return s
}

// run works until the context ends. What is to outlast that, such as extending leases and
// reporting, has a context of its own.
func (s *shift) run(ctx context.Context) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s.log.Info("at work", "types", len(s.handlers), "concurrency", s.config.Concurrency)
	if !s.config.PollOnly {
		s.uplink.connect(life)
		s.uplink.awaitFirst(ctx)
	}
	s.tasks.Go(func() { s.beat(life) })
	s.resume(ctx, life)
	s.claimAll(ctx, life)
	s.wrapUp()
	end()
	s.reporting.Wait()
	s.tasks.Wait()
	s.uplink.finished.Wait()
	s.log.Info("off work")
}

// wrapUp lets handlers finish, stops those that do not, and gives outcomes a last chance.
func (s *shift) wrapUp() {
	if !within(s.config.Grace, &s.handling) {
		s.stopAll(ErrShutdown)
		if !within(lastWords, &s.handling) {
			s.log.Error("handlers do not stop: their commands will be reported as interrupted")
		}
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	if !within(lastWords, &s.reporting) {
		s.log.Warn("not all outcomes could be reported: they are kept")
	}
}

// within waits for a group, and tells whether it was in time.
func within(limit time.Duration, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// lookForWork has the next claim happen soon.
func (s *shift) lookForWork() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to
	}
}

// hasEnded tells whether it is too late to write down what came of a command.
func (s *shift) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// insist repeats a call until it succeeds or is refused for good, or the context ends.
func (s *shift) insist(ctx context.Context, what string, call func(calls) error) error {
	for wait := (backoff{}); ; {
		way, _ := s.uplink.now()
		err := call(way)
		if err == nil || settled(err) {
			return err
		}
		if ctx.Err() == nil {
			s.log.Warn(what+" failed, trying again", "error", err)
		}
		if !wait.pause(ctx, err) {
			return err
		}
	}
}
