package main

import (
	"fmt"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
)

// adoptCommand keeps the identity of a disk that was moved to this machine.
type adoptCommand struct{}

// Run records in the state file that the identity belongs to this machine.
func (adoptCommand) Run(s settings.Settings) error {
	if err := agent.Adopt(s.State); err != nil {
		return err
	}
	fmt.Println("This machine has the identity now. Never start the other machine with it again.")
	return nil
}
