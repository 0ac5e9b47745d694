package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/remediation"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/diagnosis"
)

// checkTimeout limits each check that uses the network.
const checkTimeout = 15 * time.Second

// doctorCommand checks everything that an agent with these settings needs.
type doctorCommand struct {
	JSON bool `help:"Print the findings as JSON."`
}

// Run prints the findings. It returns an error if one is a failure.
func (c doctorCommand) Run(ctx context.Context, s settings.Settings) error {
	findings := examine(ctx, s)
	return diagnosis.Report(os.Stdout, findings, c.JSON, 16)
}

// examine returns the findings of all checks. A check that depends on a failed one is left out.
func examine(ctx context.Context, s settings.Settings) []diagnosis.Finding {
	findings := []diagnosis.Finding{diagnosis.Good("program", "fieldgate-agent %s", program.Version())}
	findings = append(findings, checkScripts(s.Scripts)...)
	findings = append(findings, checkDirectory(filepath.Dir(s.State))...)
	findings = append(findings, checkIdentity(s))
	config, err := newConfig(s)
	if err == nil {
		_, err = agent.New(config)
	}
	if err != nil {
		return append(findings, diagnosis.Fail("settings", "%v", err))
	}
	findings = append(findings, diagnosis.Good("settings", "the settings are valid"))
	findings = append(findings, checkTrust(config.Trust)...)
	return append(findings, checkGateway(ctx, s, config)...)
}

func checkScripts(path string) []diagnosis.Finding {
	if path == "" {
		return nil
	}
	scripts, err := remediation.OpenScripts(path)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("scripts", "%v", err)}
	}
	scripts.Close()
	return []diagnosis.Finding{diagnosis.Good("scripts", "the scripts of %s may run", path)}
}

// checkDirectory checks that a file can be written into the directory of the state file, and the
// free space.
func checkDirectory(dir string) []diagnosis.Finding {
	file, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("state directory", "%v: create the directory, make it writable for the user of the agent, or free space", err)}
	}
	defer os.Remove(file.Name())
	_, err = file.Write(make([]byte, 4096))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return []diagnosis.Finding{diagnosis.Fail("state directory", "%v: free space on the disk, or replace it", err)}
	}
	findings := []diagnosis.Finding{diagnosis.Good("state directory", "%s can be written", dir)}
	if free, known := freeBytes(dir); known {
		findings = append(findings, checkSpace(free))
	}
	return findings
}

// leastSpace is the free space in bytes below which the disk of the state file is a problem: the
// journal grows to a few MiB before it is rewritten.
const leastSpace = 8 << 20

func checkSpace(free int64) diagnosis.Finding {
	if free < leastSpace {
		return diagnosis.Warn("free space", "%d KiB are free: the journal needs up to %d KiB; free space", free>>10, leastSpace>>10)
	}
	return diagnosis.Good("free space", "%d MiB are free", free>>20)
}

func checkIdentity(s settings.Settings) diagnosis.Finding {
	state, err := agent.Inspect(s.State)
	code, codeErr := activationCode(s)
	switch {
	case err != nil:
		return diagnosis.Fail("identity", "%v", err)
	case state.DeviceID != "" && state.Copied:
		return diagnosis.Fail("identity", "the identity of %s was copied from another machine: run fieldgate-agent reset and register this machine with an activation code of its own, "+
			"or run fieldgate-agent adopt if the other machine is out of service for good", state.DeviceID)
	case state.DeviceID != "":
		return diagnosis.Good("identity", "this device is %s; %d results are not submitted yet", state.DeviceID, state.Unsubmitted)
	case state.Registering:
		return diagnosis.Good("identity", "the device is about to register")
	case codeErr != nil:
		return diagnosis.Fail("identity", "%v", codeErr)
	case code == "":
		return diagnosis.Fail("identity", "the device is not registered: set an activation code")
	}
	return diagnosis.Good("identity", "the device registers at its next start")
}

// checkGateway checks the way to the gateway, step by step, and stops at the first failure.
func checkGateway(ctx context.Context, s settings.Settings, config agent.Config) []diagnosis.Finding {
	address, err := url.Parse(s.URL)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("gateway", "the URL of the gateway cannot be parsed")}
	}
	findings := []diagnosis.Finding{}
	for _, check := range []func(context.Context, *url.URL, agent.Config) []diagnosis.Finding{checkDNS, checkTLS, checkHTTP} {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		findings = append(findings, check(ctx, address, config)...)
		cancel()
		if diagnosis.Failed(findings) > 0 {
			return findings
		}
	}
	return append(findings, checkLogin(ctx, s, config)...)
}

// usesProxy reports whether requests to the gateway go through a proxy. The proxy then resolves
// the name of the gateway.
func usesProxy(address *url.URL, config agent.Config) bool {
	if config.Transport.Proxy == nil {
		return false
	}
	proxy, err := config.Transport.Proxy(&http.Request{URL: address})
	return err == nil && proxy != nil
}

func checkDNS(ctx context.Context, address *url.URL, config agent.Config) []diagnosis.Finding {
	host := address.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || usesProxy(address, config) {
		return nil
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("dns", "%v: correct the URL of the gateway, or the DNS server of this machine", err)}
	}
	return []diagnosis.Finding{diagnosis.Good("dns", "%s is %v", host, found)}
}

// checkTLS connects to the gateway and checks its certificate.
func checkTLS(ctx context.Context, address *url.URL, config agent.Config) []diagnosis.Finding {
	if address.Scheme != "https" || usesProxy(address, config) {
		return nil
	}
	port := address.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: config.Transport.TLSClientConfig}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.Hostname(), port))
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("tls", "%v: %s", err, adviseTLS(err))}
	}
	defer connection.Close()
	certificate := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return []diagnosis.Finding{diagnosis.Certificate("tls", certificate.NotAfter, time.Now(), diagnosis.ServerReserve)}
}

// adviseTLS returns how to mend an error of a TLS connection.
func adviseTLS(err error) string {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return "set --ca-file if a private authority has signed the certificate, and check the clock of this machine"
	}
	return "check the URL, the firewall and the proxy"
}

// checkHTTP asks the gateway for its version, and compares the clocks.
func checkHTTP(ctx context.Context, address *url.URL, config agent.Config) []diagnosis.Finding {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.JoinPath("version").String(), nil)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("gateway", "%v", err)}
	}
	client := http.Client{Transport: config.Transport}
	response, err := client.Do(request)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("gateway", "%v: check the URL, the firewall and the proxy", err)}
	}
	defer response.Body.Close()
	var reply fieldgate.Version
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil || reply.Version == "" {
		return []diagnosis.Finding{diagnosis.Fail("gateway", "the server replied with status %d, and is no gateway: check the URL and the proxy", response.StatusCode)}
	}
	findings := []diagnosis.Finding{diagnosis.Good("gateway", "the version of the gateway is %s", reply.Version)}
	if then, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		findings = append(findings, diagnosis.Clock("clock", then, time.Now()))
	}
	return findings
}

// checkLogin logs in with the identity, if there is one and it belongs to this machine.
func checkLogin(ctx context.Context, s settings.Settings, config agent.Config) []diagnosis.Finding {
	state, err := agent.Inspect(s.State)
	if err != nil || state.DeviceID == "" || state.Copied {
		return nil
	}
	gateway, err := fieldgate.New(s.URL, fieldgate.WithTransport(config.Transport), fieldgate.WithTimeout(checkTimeout))
	if err == nil {
		err = agent.Login(ctx, gateway, s.State)
	}
	switch {
	case fieldgate.CodeOf(err) == fieldgate.CodeInvalidCredentials:
		return []diagnosis.Finding{diagnosis.Fail("login", "the gateway does not know this identity: run fieldgate-agent reset, and register with a new activation code")}
	case fieldgate.CodeOf(err) == fieldgate.CodeDeviceSuspended:
		return []diagnosis.Finding{diagnosis.Fail("login", "the device is suspended: an admin can resume it")}
	case err != nil:
		return []diagnosis.Finding{diagnosis.Fail("login", "%v", err)}
	}
	return []diagnosis.Finding{diagnosis.Good("login", "the gateway accepts this device")}
}
