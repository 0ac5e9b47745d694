package packages_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// TestPackages_RunAnApprovedCommandOnAFreshDebian installs both packages on a Debian with nothing
// else, and runs the programs as their units do. Then it upgrades, removes and purges them.
func TestPackages_RunAnApprovedCommandOnAFreshDebian(t *testing.T) {
	t.Parallel()
	built(t)
	m := newMachine(t)
	users, addr := customertest.NewIssuer(t), storetest.FreeAddr(t)
	m.configure(t, "fieldgate", "FIELDGATE_REDIS_URL="+storetest.SharedURL(t), "FIELDGATE_SUPABASE_URL="+users.URL(),
		"FIELDGATE_ADDR="+addr, "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_DRAIN_DELAY=0s")
	gateway := m.startService(t, "fieldgate")
	pair := newPair(t, users, addr)
	m.configure(t, "fieldgate-agent", "FIELDGATE_URL=http://"+addr, "FIELDGATE_ACTIVATION_CODE="+pair.ActivationCode)
	m.write(t, "etc/fieldgate-agent/scripts/greet", 0o755, "#!/bin/sh\nid -un\n")
	agent := m.startService(t, "fieldgate-agent")
	require.Equal(t, "fieldgate-agent\n", runApproved(t, pair))

	agent.stop(t)
	settings, identity := m.read(t, "etc/fieldgate-agent.env"), m.read(t, "var/lib/fieldgate-agent/device.json")
	m.run(t, "dpkg", "--install", "/packages/fieldgate.deb", "/packages/fieldgate-agent.deb")
	require.Equal(t, settings, m.read(t, "etc/fieldgate-agent.env"))
	require.Equal(t, identity, m.read(t, "var/lib/fieldgate-agent/device.json"))
	agent = m.startService(t, "fieldgate-agent")
	require.Equal(t, "fieldgate-agent\n", runApproved(t, pair))
	agent.stop(t)
	gateway.stop(t)

	m.breakServiceManager(t)
	m.run(t, "dpkg", "--install", "/packages/fieldgate.deb", "/packages/fieldgate-agent.deb")
	m.run(t, "dpkg", "--remove", "fieldgate", "fieldgate-agent")
	require.Equal(t, identity, m.read(t, "var/lib/fieldgate-agent/device.json"))
	require.Equal(t, settings, m.read(t, "etc/fieldgate-agent.env"))
	m.run(t, "dpkg", "--purge", "fieldgate", "fieldgate-agent")
	for _, path := range []string{"var/lib/fieldgate-agent", "etc/fieldgate-agent.env", "etc/fieldgate.env", "usr/bin/fieldgate"} {
		require.NoFileExists(t, filepath.Join(m.root, path))
		require.NoDirExists(t, filepath.Join(m.root, path))
	}
}

// newPair provisions the device of two users of the gateway at addr, which may have to start first.
func newPair(t testing.TB, users *customertest.Issuer, addr string) *gatewaytest.Pair {
	t.Helper()
	tenant := gatewaytest.NewTenantID()
	user := func(name, role string) *client.CustomerClient {
		g, err := client.New("http://" + addr)
		require.NoError(t, err)
		return g.Customer(client.Bearer(users.Token(issuer.Claims{Subject: name, TenantID: tenant, Role: role})))
	}
	pair := &gatewaytest.Pair{Alice: user("alice", "admin"), Bob: user("bob", "approver")}
	require.Eventually(t, func() bool {
		provisioned, err := pair.Alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		pair.DeviceID, pair.ActivationCode = provisioned.Device.ID, provisioned.ActivationCode
		return err == nil
	}, time.Minute, 50*time.Millisecond, "the gateway does not serve")
	return pair
}

// runApproved runs the script on the device, in a session of its own, and returns its output.
func runApproved(t testing.TB, pair *gatewaytest.Pair) string {
	t.Helper()
	ended := pair.Await(t, pair.Propose(t, "remediation.run_script", json.RawMessage(`{"name": "greet"}`)).ID)
	_, err := pair.Alice.CloseSession(t.Context(), pair.Session, "done")
	require.NoError(t, err)
	pair.Session = ""
	require.Equal(t, client.CommandStatusSucceeded, ended.Status, ended.Result)
	return ended.Result.Output
}

// A machine is a fresh Debian in a directory, with both packages.
type machine struct{ root string }

func newMachine(t testing.TB) machine {
	t.Helper()
	m := machine{root: filepath.Join(t.TempDir(), "root")}
	install := `mkdir "$1/packages"`
	for _, name := range names {
		install += fmt.Sprintf(` && cp %q "$1/packages/%s.deb"`, deb(t, name), name)
	}
	install += ` && chroot "$1" apt-get install --yes --no-install-recommends /packages/fieldgate.deb /packages/fieldgate-agent.deb`
	run(t, "mmdebstrap", "--variant=minbase", "--include=systemd-standalone-sysusers", "--customize-hook="+install, codename(t), m.root, sources(t))
	return m
}

// codename returns the name of this machine's version of Debian.
func codename(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(run(t, "sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"))
}

// sources returns the file with this machine's Debian mirror.
func sources(t testing.TB) string {
	t.Helper()
	for _, file := range []string{"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"} {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	require.Fail(t, "this machine names no mirror of Debian")
	return ""
}

func (m machine) read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.root, path))
	require.NoError(t, err)
	return string(content)
}

func (m machine) write(t testing.TB, path string, mode os.FileMode, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(m.root, path), []byte(content), mode))
}

// configure writes the settings of a service, as an operator would.
func (m machine) configure(t testing.TB, name string, settings ...string) {
	t.Helper()
	m.write(t, "etc/"+name+".env", 0o600, strings.Join(settings, "\n")+"\n")
}

// breakServiceManager installs a service manager that can neither start nor stop a service.
func (m machine) breakServiceManager(t testing.TB) {
	t.Helper()
	m.run(t, "mkdir", "--parents", "/run/systemd/system")
	m.write(t, "usr/bin/systemctl", 0o755, "#!/bin/sh\ntest $1 = daemon-reload\n")
}

// run runs a program on the machine.
func (m machine) run(t testing.TB, program string, arguments ...string) string {
	t.Helper()
	return run(t, "chroot", append([]string{m.root, program}, arguments...)...)
}

// A service is a running program of a package.
type service struct {
	cmd *exec.Cmd
	log storetest.Buffer
}

// startService runs a service as systemd does: as the user, and with the program, the environment, the
// directory of the state and the notification of its unit. It waits until the service is ready.
func (m machine) startService(t testing.TB, name string) *service {
	t.Helper()
	unit := m.read(t, "lib/systemd/system/"+name+".service")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@" + m.root + name, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	if state := setting(unit, "StateDirectory"); state != nil {
		m.run(t, "install", "-d", "-m", setting(unit, "StateDirectoryMode")[0], "-o", setting(unit, "User")[0], "/var/lib/"+state[0])
	}
	start := `mount -t proc proc "$1/proc" && shift && exec chroot "$@"`
	command := append([]string{"sh", "-c", start, "start", m.root, "--userspec=" + setting(unit, "User")[0], m.root}, strings.Fields(setting(unit, "ExecStart")[0])...)
	s := &service{cmd: exec.Command("unshare", append([]string{"--mount"}, command...)...)}
	s.cmd.Env = append(m.environment(t, unit), "PATH="+os.Getenv("PATH"), "NOTIFY_SOCKET=@"+m.root+name)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = &s.log, &s.log, storetest.DieWithParent()
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	require.NoError(t, manager.SetReadDeadline(time.Now().Add(time.Minute)))
	state := make([]byte, 64)
	n, err := manager.Read(state)
	require.NoError(t, err, s.log.String())
	require.Equal(t, "READY=1", string(state[:n]))
	return s
}

// environment returns the environment of a unit.
func (m machine) environment(t testing.TB, unit string) (variables []string) {
	t.Helper()
	for _, variable := range setting(unit, "Environment") {
		variables = append(variables, strings.ReplaceAll(variable, "%S", "/var/lib"))
	}
	file := strings.TrimPrefix(setting(unit, "EnvironmentFile")[0], "-")
	return append(variables, strings.Fields(m.read(t, file))...)
}

// setting returns the values of a setting in a unit.
func setting(unit, name string) (values []string) {
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// stop stops the service as systemd does.
func (s *service) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.cmd.Wait(), s.log.String())
}
