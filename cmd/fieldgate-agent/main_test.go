package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// program is the built binary, which the tests run.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fieldgate-agent-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fieldgate-agent")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// site is a gateway, a customer's people, and one device that is about to join.
type site struct {
	*gatewaytest.Gateway
	alice, bob *client.CustomerClient
	deviceID   string
	code       string
	session    string
	state      string // the file
	scripts    string // the directory
}

func newSite(t testing.TB, g *gatewaytest.Gateway) *site {
	t.Helper()
	customer := gatewaytest.NewTenantID()
	dir := t.TempDir()
	s := &site{
		Gateway: g, alice: g.User(customer, "alice", "admin"), bob: g.User(customer, "bob", "approver"),
		state: filepath.Join(dir, "device.json"), scripts: filepath.Join(dir, "scripts"),
	}
	require.NoError(t, os.Mkdir(s.scripts, 0o755))
	made, err := s.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	s.deviceID, s.code = made.Device.ID, made.ActivationCode
	return s
}

// agent is a fieldgate-agent that runs.
type agent struct {
	cmd   *exec.Cmd
	log   storetest.Buffer
	ended chan struct{}
}

// start starts an agent for the device of the site, which is killed at the end of the test.
func (s *site) start(t testing.TB, settings ...string) *agent {
	t.Helper()
	return s.startVia(t, exec.Command(program), settings...)
}

// startVia starts it with another command.
func (s *site) startVia(t testing.TB, cmd *exec.Cmd, settings ...string) *agent {
	t.Helper()
	settings = append([]string{
		"FIELDGATE_URL=" + s.URL, "FIELDGATE_STATE=" + s.state,
		"FIELDGATE_ACTIVATION_CODE=" + s.code, "FIELDGATE_SCRIPTS=" + s.scripts,
	}, settings...)
	a := &agent{cmd: cmd, ended: make(chan struct{})}
	a.cmd.Env, a.cmd.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, settings...), &a.log
	require.NoError(t, a.cmd.Start())
	go func() {
		defer close(a.ended)
		_ = a.cmd.Wait()
	}()
	t.Cleanup(a.kill)
	return a
}

// kill ends the agent as a loss of power does.
func (a *agent) kill() {
	_ = a.cmd.Process.Kill()
	<-a.ended
}

// wait waits for the end and gives the exit code; -1 for a signal.
func (a *agent) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-a.ended:
	case <-time.After(30 * time.Second):
		require.Fail(t, "it does not end", a.log.String())
	}
	return a.cmd.ProcessState.ExitCode()
}

// propose has alice propose a command, and bob approve it if somebody has to.
func (s *site) propose(t testing.TB, commandType string, parameters any) client.Command {
	t.Helper()
	if s.session == "" {
		eventually(t, func() bool {
			opened, err := s.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: s.deviceID, Type: "remediation"})
			s.session = opened.ID
			return err == nil
		}, "the device does not register")
	}
	raw, err := json.Marshal(parameters)
	require.NoError(t, err)
	made, err := s.alice.Propose(t.Context(), s.session, client.ProposeCommandRequest{Type: commandType, Parameters: raw})
	require.NoError(t, err)
	if made.Status == client.CommandStatusPendingApproval {
		made, err = s.bob.Decide(t.Context(), s.session, client.DecisionRequest{CommandID: made.ID, Approved: true})
		require.NoError(t, err)
	}
	return made
}

func (s *site) command(t testing.TB, id string) client.Command {
	t.Helper()
	found, err := s.alice.Command(t.Context(), s.session, id)
	require.NoError(t, err)
	return found
}

// await waits until a command has ended.
func (s *site) await(t testing.TB, id string) (ended client.Command) {
	t.Helper()
	eventually(t, func() bool {
		ended = s.command(t, id)
		return !ended.FinishedAt.IsZero()
	}, "the command does not end")
	return ended
}

// ask proposes a command and waits for its end.
func (s *site) ask(t testing.TB, commandType string, parameters any) client.Command {
	t.Helper()
	return s.await(t, s.propose(t, commandType, parameters).ID)
}

// code is that of a failed command.
func code(t testing.TB, c client.Command) string {
	t.Helper()
	var data struct {
		Code string `json:"code"`
	}
	if len(c.Result.Data) > 0 {
		require.NoError(t, json.Unmarshal(c.Result.Data, &data))
	}
	return data.Code
}

// script puts a script into the directory of the owner.
func (s *site) script(t testing.TB, name, body string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.scripts, name), []byte("#!/bin/sh\n"+body), 0o755))
}

func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, what)
}
