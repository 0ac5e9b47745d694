package manifests_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// TestCompose_RunsACommand runs the programs of the Compose project without Docker, with its files: Redis, two
// gateways, HAProxy and the agent. The agent registers and runs a command. Then Redis stops, and HAProxy
// passes on what the gateways respond.
func TestCompose_RunsACommand(t *testing.T) {
	t.Parallel()
	requireProgram(t, "haproxy")
	requireProgram(t, "redis-server")
	m := startProject(t)
	m.waitFor(t, "/readyz", http.StatusOK)
	check := m.project.Services["redis"].HealthCheck.Test[1]
	run(t, "sh", "-c", strings.Replace(check, "redis-cli", "redis-cli -h "+m.hosts["redis"], 1))

	var provisioned struct {
		ActivationCode string
		Device         struct{ ID string }
	}
	m.call(t, "/api/v1/customer/devices", `{"name":"Pump 7"}`, &provisioned)
	m.startAgent(t, provisioned.ActivationCode)
	require.Eventually(t, func() bool {
		var device struct{ Status string }
		m.call(t, "/api/v1/customer/devices/"+provisioned.Device.ID, "", &device)
		return device.Status == "active"
	}, time.Minute, 50*time.Millisecond, "the agent did not register")
	var made struct{ ID string }
	m.call(t, "/api/v1/customer/sessions", `{"deviceId":"`+provisioned.Device.ID+`","type":"diagnostic"}`, &made)
	commands := "/api/v1/customer/sessions/" + made.ID + "/commands"
	m.call(t, commands, `{"type":"diagnostic.system","parameters":{},"reason":"test"}`, &made)
	require.Eventually(t, func() bool {
		var command struct{ Status string }
		m.call(t, commands+"/"+made.ID, "", &command)
		return command.Status == "succeeded"
	}, time.Minute, 50*time.Millisecond, "the agent did not run the command")

	m.redis.stop(t, syscall.SIGKILL)
	m.waitFor(t, "/readyz", http.StatusServiceUnavailable)
	require.Eventually(t, func() bool {
		response, body := m.do(t, "/api/v1/customer/devices", "")
		return response.StatusCode == http.StatusServiceUnavailable && strings.Contains(body, "store_unavailable") &&
			response.Header.Get("Retry-After") != ""
	}, time.Minute, 50*time.Millisecond, "HAProxy does not pass on the refusal of a gateway")
}

// machine runs the services of the project, each at an address of its own on the loopback interface.
type machine struct {
	dir     string // of the Compose file
	project *types.Project
	hosts   map[string]string // address by the name of the service
	public  string            // address of HAProxy
	client  *http.Client
	token   string
	redis   *process
}

// startProject starts all services but the agent.
func startProject(t *testing.T) *machine {
	t.Helper()
	dir := prepare(t)
	m := &machine{dir: dir, project: load(t, dir), hosts: map[string]string{}, public: freeAddr(t)}
	network := fmt.Sprintf("127.77.%d.", os.Getpid()%250+1)
	for i, name := range []string{"redis", "gateway-1", "gateway-2"} {
		m.hosts[name] = network + fmt.Sprint(i+1)
	}
	config := m.write(t, "redis.conf", strings.NewReplacer("/data", t.TempDir()), "bind "+m.hosts["redis"]+"\n")
	m.redis = start(t, nil, "redis-server", config)

	program, err := buildPrograms()
	require.NoError(t, err)
	for _, name := range gateways(t, m.project) {
		env := environmentOf(m.project.Services[name])
		env["FIELDGATE_ADDR"] = m.hosts[name] + ":8080" // in a container, the port of all addresses
		env["FIELDGATE_METRICS_ADDR"] = m.hosts[name] + env["FIELDGATE_METRICS_ADDR"]
		env["FIELDGATE_TRUSTED_PROXIES"] = "127.0.0.0/8"
		env["FIELDGATE_DRAIN_DELAY"] = "0s"
		start(t, m.environ(env), filepath.Join(program, "fieldgate"), "serve")
	}
	haproxy := m.write(t, "haproxy.cfg", strings.NewReplacer("bind :8443", "bind "+m.public), "")
	start(t, nil, "haproxy", "-db", "-f", haproxy)
	m.client = m.newClient(t)
	m.token = strings.TrimSpace(run(t, filepath.Join(dir, "token.sh"), "alice", "admin"))
	return m
}

// place returns a text with the paths of secrets and the names of services replaced by those on this machine.
func (m *machine) place(text string) string {
	text = strings.ReplaceAll(text, "/run/secrets/", filepath.Join(m.dir, "run")+"/")
	text = strings.ReplaceAll(text, "haproxy:8443", m.public)
	for name, address := range m.hosts {
		for _, port := range []string{":6379", ":8080", ":9090"} {
			text = strings.ReplaceAll(text, name+port, address+port)
		}
	}
	return text
}

// write writes a file of the project with the names of this machine, and returns its path.
func (m *machine) write(t testing.TB, name string, changes *strings.Replacer, more string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.dir, name))
	require.NoError(t, err)
	path := filepath.Join(m.dir, "placed-"+name)
	require.NoError(t, os.WriteFile(path, []byte(changes.Replace(m.place(string(content)))+more), 0o600))
	return path
}

// environ returns an environment with the names of this machine.
func (m *machine) environ(environment map[string]string) (environ []string) {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		environ = append(environ, name+"="+m.place(environment[name]))
	}
	return environ
}

// startAgent starts the agent, which registers with an activation code.
func (m *machine) startAgent(t testing.TB, code string) {
	t.Helper()
	program, err := buildPrograms()
	require.NoError(t, err)
	env := environmentOf(m.project.Services["agent"])
	env["FIELDGATE_ACTIVATION_CODE"] = code
	env["FIELDGATE_STATE"] = filepath.Join(t.TempDir(), "device.json") // the image sets it
	start(t, m.environ(env), filepath.Join(program, "fieldgate-agent"))
}

// newClient returns a client that trusts the certificate that prepare.sh has made.
func (m *machine) newClient(t testing.TB) *http.Client {
	t.Helper()
	authority, err := os.ReadFile(filepath.Join(m.dir, "run/ca.pem"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(authority))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 30 * time.Second}
}

// do calls the gateway: with a body, a POST.
func (m *machine) do(t testing.TB, path, body string) (*http.Response, string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+m.public+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+m.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := m.client.Do(request)
	if err != nil {
		return &http.Response{}, err.Error() // HAProxy has not started yet
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(content)
}

// call calls the gateway and decodes its response.
func (m *machine) call(t testing.TB, path, body string, response any) {
	t.Helper()
	answer, content := m.do(t, path, body)
	require.Less(t, answer.StatusCode, 300, content)
	require.NoError(t, json.Unmarshal([]byte(content), response), content)
}

// waitFor waits until a path returns a status.
func (m *machine) waitFor(t testing.TB, path string, status int) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, _ := m.do(t, path, "")
		return response.StatusCode == status
	}, time.Minute, 50*time.Millisecond, "%s does not return %d", path, status)
}

// process is a running program.
type process struct {
	cmd  *exec.Cmd
	once sync.Once
}

// start starts a program, and ends it with the test. If the test fails, it prints
// the last of what the program has printed.
func start(t testing.TB, environ []string, program string, arguments ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, arguments...)}
	var out bytes.Buffer
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = environ, &out, &out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		p.stop(t, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s %v\n%s", program, arguments, out.Bytes()[max(0, out.Len()-4096):])
		}
	})
	return p
}

// stop ends the program with a signal, once.
func (p *process) stop(t testing.TB, signal os.Signal) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(signal)
		_ = p.cmd.Wait()
	})
}

// freeAddr returns an address of this machine at which nothing listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
