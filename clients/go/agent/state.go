package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A State describes the identity in a state file.
type State struct {
	DeviceID    string // empty if the device is not registered
	Registering bool   // whether a registration was sent whose response has not arrived
	Copied      bool   // whether the identity belongs to another machine, so that Run returns ErrCopied
	Unsubmitted int    // number of commands whose results the gateway does not have yet
}

// Inspect reads a state file and its journal. A running agent may use them meanwhile. Inspect
// returns ErrStateDamaged for a damaged state file, and a zero State if there is none.
func Inspect(stateFile string) (State, error) {
	device, err := readIdentity(stateFile)
	if err != nil {
		return State{}, err
	}
	text, err := os.ReadFile(stateFile + ".journal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("agent: reading the journal: %w", err)
	}
	pending := map[string]bool{}
	records, _, _ := parseLines(text)
	for _, r := range records {
		if r.Entry != nil {
			pending[r.Entry.ID] = !r.Entry.Submitted && !r.Entry.Removed
		}
	}
	s := State{DeviceID: device.DeviceID, Registering: device.Registering != nil, Copied: device.isCopiedTo(thisMachine())}
	for _, isPending := range pending {
		if isPending {
			s.Unsubmitted++
		}
	}
	return s, nil
}

// Reset removes a state file with its journal, so that the device can register again. Results that
// were not submitted are lost. Reset returns ErrInUse while an agent uses the files.
func Reset(stateFile string) error {
	release, err := lockFiles(stateFile, thisMachine())
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		release() // Windows cannot remove an open file
	} else {
		defer release()
	}
	for _, suffix := range []string{"", ".tmp", ".lock", ".roster", ".roster.tmp", ".journal", ".journal.tmp", ".journal.reserve", ".journal.damaged"} {
		if err := os.Remove(stateFile + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("agent: forgetting the identity: %w", err)
		}
	}
	return nil
}

// lockFiles locks a state file and its journal on the machine m. It returns ErrInUse while an agent uses them.
func lockFiles(stateFile string, m machine) (release func(), err error) {
	unlock, err := lockState(stateFile)
	if err != nil {
		return nil, err
	}
	journal, err := openJournal(stateFile+".journal", m.id(), lockFile, slog.New(slog.DiscardHandler))
	if err != nil {
		unlock()
		return nil, fmt.Errorf("agent: opening the journal: %w", err)
	}
	return func() {
		journal.close()
		unlock()
	}, nil
}

// Login logs in with the identity in a state file, and ends the login at once. It returns an error
// if the gateway refuses the device or cannot be reached. Use it to check a device.
func Login(ctx context.Context, gateway *fieldgate.Gateway, stateFile string) error {
	device, err := readIdentity(stateFile)
	if err != nil {
		return err
	}
	if !device.isRegistered() {
		return ErrNotRegistered
	}
	login, err := gateway.Authenticate(ctx, fieldgate.AuthenticateDeviceRequest{DeviceID: device.DeviceID, DeviceSecret: device.DeviceSecret})
	if err != nil {
		return fmt.Errorf("agent: logging in: %w", err)
	}
	if err := gateway.DeviceWithToken(fieldgate.Bearer(login.Token)).Logout(ctx); err != nil {
		return fmt.Errorf("agent: logging out: %w", err)
	}
	return nil
}
