package diagnostics

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// maxInterfaces limits the number of interfaces in the result, because a machine with many
// containers has many interfaces.
const maxInterfaces = 100

// networkInterface describes one network interface in the result.
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

// listInterfaces handles diagnostic.interfaces {}. It returns the network interfaces of the
// machine with their counters. It fails with not_available if the system does not list the
// interfaces.
func listInterfaces(_ context.Context, _ noParameters) (agent.Result, error) {
	found, err := net.Interfaces()
	if err != nil {
		return agent.Result{}, agent.Fail("not_available", "listing the interfaces: %w", err)
	}
	var text strings.Builder
	described := []networkInterface{}
	for _, one := range found[:min(len(found), maxInterfaces)] {
		d := describeInterface(one)
		described = append(described, d)
		fmt.Fprintf(&text, "%s: %s, %s, mtu %d, in %s bytes, out %s bytes: %s\n",
			d.Name, cmp.Or(d.State, "?"), d.Flags, d.MTU, cmp.Or(d.RxBytes, "?"), cmp.Or(d.TxBytes, "?"), strings.Join(d.Addresses, ", "))
	}
	return agent.Result{Output: text.String(), Data: map[string]any{"interfaces": described, "count": len(found)}}, nil
}

// describeInterface returns an interface with its counters. The counters are strings, because
// they may be larger than the integers that JSON numbers represent exactly.
func describeInterface(one net.Interface) networkInterface {
	counter := func(name string) string { return readTrimmed("/sys/class/net/" + one.Name + "/statistics/" + name) }
	d := networkInterface{
		Name: one.Name, Flags: one.Flags.String(), MTU: one.MTU, Hardware: one.HardwareAddr.String(),
		Addresses: []string{}, State: readTrimmed("/sys/class/net/" + one.Name + "/operstate"),
		RxBytes: counter("rx_bytes"), TxBytes: counter("tx_bytes"),
		RxErrors: counter("rx_errors"), TxErrors: counter("tx_errors"),
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
