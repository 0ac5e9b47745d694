// Command agentonly is a device program that contains only the agent and one handler. A test
// measures its size, which is nearly the size of the agent.
package main

import (
	"context"
	"log"
	"os"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

func main() {
	device, err := agent.New(agent.Config{URL: os.Args[1], StateFile: os.Args[2], ActivationCode: os.Args[3]})
	if err != nil {
		log.Fatal(err)
	}
	device.Handle("diagnostic.nothing", func(context.Context, agent.Command) (agent.Result, error) { return agent.Result{}, nil })
	log.Fatal(device.Run(context.Background()))
}
