package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// printAgentCommand provisions a device, and prints the command that runs an agent for it on
// this machine. The command works once, and only while the gateway and its data exist.
func printAgentCommand(ctx context.Context, w io.Writer, url string, tokens *devIssuer) {
	gate, err := client.New(url)
	if err != nil {
		slog.Warn("printing the command of the agent failed", "error", err)
		return
	}
	admin := gate.Customer(client.Bearer(tokens.issue(tokenRequest{"alice", "acme", "admin", time.Hour})))
	provisioned, err := admin.Provision(ctx, client.ProvisionDeviceRequest{Name: "This machine"})
	if err != nil {
		slog.Warn("provisioning a device for the agent failed", "error", err)
		return
	}
	fmt.Fprintf(w, strings.TrimLeft(`
To make this machine the device "This machine" (%[1]s), with one script that it may run, paste into a second terminal:

d="$(mktemp -d)" && mkdir -m 755 "$d/scripts" && printf '#!/bin/sh\necho "restarted $1"\n' > "$d/scripts/restart" && chmod 755 "$d/scripts/restart"
%[2]s --url %[3]s --state "$d/device.json" --scripts "$d/scripts" --activation-code %[4]s

`, "\n"), provisioned.Device.ID, agentProgram(os.Args[0]), url, provisioned.ActivationCode)
}

// agentProgram returns the path of the agent, which is in the same directory as this program.
func agentProgram(self string) string {
	return strings.TrimSuffix(self, filepath.Base(self)) + "fieldgate-agent"
}
