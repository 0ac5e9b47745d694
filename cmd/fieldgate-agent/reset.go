package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
)

// resetCommand forgets the identity of the device.
type resetCommand struct {
	Yes bool `help:"Do not ask for confirmation."`
}

// Run asks for confirmation and removes the state file with its journal. It does not ask if the
// state file is damaged, or if there is none.
func (c resetCommand) Run(s settings.Settings) error {
	state, err := agent.Inspect(s.State)
	if err != nil && !errors.Is(err, agent.ErrStateDamaged) {
		return err
	}
	if state.DeviceID != "" && !c.Yes && !confirm(state) {
		return errors.New("nothing was changed, because the reset was not confirmed")
	}
	if err := agent.Reset(s.State); err != nil {
		return err
	}
	fmt.Println("The identity is forgotten. Set a new activation code to register the device again.")
	return nil
}

// confirm asks the user for the ID of the device, so that a reset in the wrong window does nothing.
func confirm(state agent.State) bool {
	fmt.Printf("This forgets the identity of %s. Only a new activation code can register the device again.\n", state.DeviceID)
	if state.Unsubmitted > 0 {
		fmt.Printf("The results of %d commands have not reached the gateway, and are lost.\n", state.Unsubmitted)
	}
	fmt.Print("Type the ID of the device to continue: ")
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.TrimSpace(line) == state.DeviceID
}
