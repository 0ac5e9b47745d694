package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

const (
	// followInterval is the interval after which the agent asks for a later version of the roster. Up to
	// half of it is subtracted at random. A user who was removed from the roster may count until then.
	followInterval = time.Hour

	// followRetry is the interval after a request that has failed.
	followRetry = 5 * time.Minute

	// followTimeout limits each request for the roster. The first claim waits for the first request, so
	// that a user who was removed while the device was switched off does not count.
	followTimeout = 10 * time.Second
)

// A rosterFile keeps the newest version of the roster that the device has verified, in a file that survives
// a restart. An older version is never used again.
type rosterFile struct {
	path string
	log  *slog.Logger

	following sync.Mutex // held while a later version is requested

	mu      sync.Mutex
	current fieldgate.Roster
	err     error // why the device does not accept the roster of the gateway or the kept one; nil if it does
}

// openRoster reads the roster that an earlier run has kept. If it does not continue pinned, because the
// owner of the device has pinned another roster or because the file is damaged, pinned is used. The device is
// degraded then until the gateway has sent a roster that continues pinned: a user who was removed may count.
func openRoster(path string, pinned fieldgate.Roster, log *slog.Logger) *rosterFile {
	f := &rosterFile{path: path, log: log, current: pinned}
	if pinned.Version == 0 {
		return f
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f
	}
	var kept fieldgate.Roster
	if err == nil {
		kept, err = pinned.Follow(text)
	}
	if err != nil {
		log.Error("reading the kept roster failed, beginning with the pinned one", "error", err)
		f.err = fmt.Errorf("reading the kept roster failed, so the pinned one is used: %w", err)
		return f
	}
	f.current = kept
	return f
}

// newest returns the newest version that the device has verified.
func (f *rosterFile) newest() fieldgate.Roster {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// health returns why the device does not accept the roster of the gateway, or nil.
func (f *rosterFile) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// follow asks the gateway for a later version, and keeps it. A roster that does not continue the one that is
// known changes nothing. It does nothing if there is no roster.
func (f *rosterFile) follow(ctx context.Context, device *fieldgate.DeviceClient) error {
	f.following.Lock()
	defer f.following.Unlock()
	known := f.newest()
	if known.Version == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	newest, err := device.FollowRoster(ctx, known)
	switch {
	case errors.Is(err, fieldgate.ErrRosterInvalid):
		f.log.Error("refusing the roster of the gateway", "version", known.Version, "error", err)
		f.set(known, err)
		return err
	case err != nil:
		f.log.Warn("asking for the roster failed, trying again", "error", err)
		return err
	case newest.Version > known.Version || f.health() != nil:
		f.keep(newest)
	}
	f.set(newest, nil)
	return nil
}

// keep writes a version to the file. If that fails, the version is used nevertheless, until the next start.
func (f *rosterFile) keep(newest fieldgate.Roster) {
	f.log.Info("keeping a version of the roster of approvers", "version", newest.Version)
	if err := replaceFile(f.path, newest.Chain()); err != nil {
		f.log.Error("writing the roster failed", "error", err)
	}
}

func (f *rosterFile) set(current fieldgate.Roster, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current, f.err = current, err
}

// followLoop asks for later versions of the roster until ctx ends. err is the error of the first request.
func (w *worker) followLoop(ctx context.Context, err error) {
	for w.roster.newest().Version > 0 {
		interval := followInterval
		if err != nil {
			interval = followRetry
		}
		if !sleep(ctx, interval-rand.N(interval/2)) {
			return
		}
		err = w.roster.follow(ctx, w.uplink.device)
	}
}

// checkTrust returns an error that says why a claimed command, as it was stated, must not run.
func (w *worker) checkTrust(ctx context.Context, command Command) error {
	if err := w.checkReceipt(ctx, command); err != nil {
		return err
	}
	if w.journal.hasForgotten(command) {
		return errors.New("the receipt has expired: this device has run a command with a later deadline, and that has passed")
	}
	return nil
}

// checkReceipt returns an error that says what is wrong with the receipt of a command. If a passkey is unknown,
// it asks for a later version of the roster first.
func (w *worker) checkReceipt(ctx context.Context, command Command) error {
	trust := w.config.Trust
	trust.Roster = w.roster.newest()
	err := trust.check(command, w.deviceID)
	if !errors.Is(err, fieldgate.ErrNotInRoster) || w.roster.follow(ctx, w.uplink.device) != nil {
		return err
	}
	trust.Roster = w.roster.newest()
	return trust.check(command, w.deviceID)
}
