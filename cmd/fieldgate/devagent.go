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

// offerAgent provisions a device, and says how to make this machine that device. What is
// printed is good once, like the data of a gateway in development.
func offerAgent(ctx context.Context, w io.Writer, url string, people *devIssuer) {
	gate, err := client.New(url)
	if err != nil {
		slog.Warn("offering the agent", "error", err)
		return
	}
	admin := gate.Customer(client.Bearer(people.issue(person{"alice", "acme", "admin", time.Hour})))
	made, err := admin.Provision(ctx, client.ProvisionDeviceRequest{Name: "This machine"})
	if err != nil {
		slog.Warn("provisioning a device for the agent", "error", err)
		return
	}
	fmt.Fprintf(w, strings.TrimLeft(`
Make this machine the device "This machine" (%[1]s), in a second terminal, with one script that it may run:

d="$(mktemp -d)" && mkdir -m 755 "$d/scripts" && printf '#!/bin/sh\necho "restarted $1"\n' > "$d/scripts/restart" && chmod 755 "$d/scripts/restart"
%[2]s --url %[3]s --state "$d/device.json" --scripts "$d/scripts" --activation-code %[4]s

`, "\n"), made.Device.ID, agentProgram(os.Args[0]), url, made.ActivationCode)
}

// agentProgram is the agent that lies beside this program, as the shell finds both.
func agentProgram(self string) string {
	return strings.TrimSuffix(self, filepath.Base(self)) + "fieldgate-agent"
}
