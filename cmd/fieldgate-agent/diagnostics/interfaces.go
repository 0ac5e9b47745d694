package diagnostics

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// maxInterfaces bounds the report of a machine full of containers.
const maxInterfaces = 100

type networkInterface struct {
	Name      string   `json:"name"`
	Flags     string   `json:"flags"`
	MTU       int      `json:"mtu"`
	Hardware  string   `json:"hardware,omitempty"`
	Addresses []string `json:"addresses"`
	State     string   `json:"state,omitempty"`
	RxBytes   string   `json:"rxBytes,omitempty"`
	TxBytes   string   `json:"txBytes,omitempty"`
	RxErrors  string   `json:"rxErrors,omitempty"`
	TxErrors  string   `json:"txErrors,omitempty"`
}

// interfaces is diagnostic.interfaces {}: the network interfaces of the machine, with what
// they have counted. It fails with not_available where the system does not tell.
func interfaces(_ context.Context, command agent.Command) (agent.Result, error) {
	if _, err := parameters[nothing](command); err != nil {
		return agent.Result{}, err
	}
	found, err := net.Interfaces()
	if err != nil {
		return agent.Result{}, agent.Fail("not_available", "asking for the interfaces: %w", err)
	}
	var text strings.Builder
	described := []networkInterface{}
	for _, one := range found[:min(len(found), maxInterfaces)] {
		d := describeInterface(one)
		described = append(described, d)
		fmt.Fprintf(&text, "%s: %s, %s, mtu %d, in %s bytes, out %s bytes: %s\n",
			d.Name, or(d.State, "?"), d.Flags, d.MTU, or(d.RxBytes, "?"), or(d.TxBytes, "?"), strings.Join(d.Addresses, ", "))
	}
	return agent.Result{Output: text.String(), Data: map[string]any{"interfaces": described, "count": len(found)}}, nil
}

// describeInterface reads the counters as texts: they may be larger than what JSON keeps.
func describeInterface(one net.Interface) networkInterface {
	counted := func(name string) string { return fact("/sys/class/net/" + one.Name + "/statistics/" + name) }
	d := networkInterface{
		Name: one.Name, Flags: one.Flags.String(), MTU: one.MTU, Hardware: one.HardwareAddr.String(),
		Addresses: []string{}, State: fact("/sys/class/net/" + one.Name + "/operstate"),
		RxBytes: counted("rx_bytes"), TxBytes: counted("tx_bytes"),
		RxErrors: counted("rx_errors"), TxErrors: counted("tx_errors"),
	}
	addresses, err := one.Addrs()
	if err != nil {
		return d
	}
	for _, address := range addresses {
		d.Addresses = append(d.Addresses, address.String())
	}
	return d
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
