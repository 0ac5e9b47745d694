package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A fakeRegistrar is an HTTP server that registers devices. It responds to every request with
// the same identity, unless refusal or empty is set.
type fakeRegistrar struct {
	mu      sync.Mutex
	refusal int      // status with which requests are refused; zero if they are accepted
	empty   int      // number of responses that lack the identity
	keys    []string // idempotency keys in the order of the requests
	codes   []string
	url     string
}

func newFakeRegistrar(t testing.TB) *fakeRegistrar {
	t.Helper()
	g := &fakeRegistrar{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *fakeRegistrar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var body struct{ ActivationCode string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	g.keys, g.codes = append(g.keys, r.Header.Get("Idempotency-Key")), append(g.codes, body.ActivationCode)
	if g.refusal != 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(g.refusal)
		code := map[int]string{401: "invalid_activation_code", 503: "store_unavailable"}[g.refusal]
		_, _ = io.WriteString(w, `{"code":"`+code+`"}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	if g.empty > 0 {
		g.empty--
		_, _ = io.WriteString(w, `{}`)
		return
	}
	_, _ = io.WriteString(w, `{"deviceId":"dev_1","deviceSecret":"s3cret","registeredAt":"2025-11-22T20:15:04.120Z"}`)
}

func (g *fakeRegistrar) refuse(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusal = status
}

func (g *fakeRegistrar) requests() (keys, codes []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keys, g.codes
}

// newTestAgent returns an agent that is not registered.
func newTestAgent(t testing.TB, url, state, code string) *Agent {
	t.Helper()
	a, err := New(Config{URL: url, StateFile: state, ActivationCode: code, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	a.machine = machine{} // a test sets it if it matters
	return a
}

func newStatePath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "device.json")
}

func TestRegister_IsRepeatedWithSameKeyAfterRestart(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	g.refuse(http.StatusServiceUnavailable)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA").Run(ctx) }()
	require.Eventually(t, func() bool { keys, _ := g.requests(); return len(keys) >= 2 }, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-done)

	g.refuse(0)
	device, err := newTestAgent(t, g.url, state, "").identify(t.Context(), nil) // the state file has the identity, so no activation code is needed
	require.NoError(t, err)
	require.Equal(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}, device)
	keys, _ := g.requests()
	for _, key := range keys {
		require.Equal(t, keys[0], key)
	}
	requireStored(t, state, device)
}

// requireStored requires that the state file holds the given identity, and that only the owner
// can read the file.
func requireStored(t testing.TB, state string, want identity) {
	t.Helper()
	stored, err := readIdentity(state)
	require.NoError(t, err)
	require.Equal(t, want, stored)
	info, err := os.Stat(state)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoFileExists(t, state+".tmp")
}

func TestRegister_RefusedCodeEndsRunAndNewCodeGetsNewKey(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	g.refuse(http.StatusUnauthorized)
	require.ErrorIs(t, newTestAgent(t, g.url, state, "AAAA-BBBB-CCCC").Run(t.Context()), ErrCodeRefused)
	g.refuse(0)
	_, err := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context(), nil)
	require.NoError(t, err)
	keys, codes := g.requests()
	require.Equal(t, []string{"AAAA-BBBB-CCCC", "7K2M-Q9TX-4WPA"}, codes)
	require.NotEqual(t, keys[0], keys[1])
}

// TestRegister_ResponseWithoutIdentityIsRetried checks that a response without an identity does
// not overwrite the stored activation code and key. Otherwise the state file would be damaged.
func TestRegister_ResponseWithoutIdentityIsRetried(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	g.empty = 2
	device, err := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}, device)
	keys, _ := g.requests()
	require.Len(t, keys, 3)
	require.Equal(t, keys[0], keys[2])
	requireStored(t, state, device)
}

func TestRegister_RegisteredDeviceSendsNoCode(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	device := identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}
	require.NoError(t, device.write(state))
	found, err := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, device, found)
	keys, _ := g.requests()
	require.Empty(t, keys)
}

func TestRegister_WithoutIdentityOrCodeFails(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, newTestAgent(t, "http://127.0.0.1:1", newStatePath(t), "").Run(t.Context()), ErrNotRegistered)
}

func TestState_DamagedFileIsReportedAndKept(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "truncated": `{"deviceId":"dev_1","deviceSec`, "zeros": "\x00\x00\x00\x00", "empty object": "{}",
		"half an identity": `{"deviceId":"dev_1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := newStatePath(t)
			require.NoError(t, os.WriteFile(state, []byte(text), 0o600))
			err := newTestAgent(t, "http://127.0.0.1:1", state, "7K2M-Q9TX-4WPA").Run(t.Context())
			require.ErrorIs(t, err, ErrStateDamaged)
			require.ErrorContains(t, err, state)
			stored, err := os.ReadFile(state)
			require.NoError(t, err)
			require.Equal(t, text, string(stored))
		})
	}
}

func TestState_SecondAgentWithSameFileFails(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	first, err := openJournal(state+".journal", thisMachine().id(), lockFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	second := newTestAgent(t, "http://127.0.0.1:1", state, "")
	require.ErrorIs(t, second.Run(t.Context()), ErrInUse)
	require.NoError(t, first.begin(testCommand(1), false, true))
	forceRewrite(first)
	require.NoError(t, first.begin(testCommand(2), false, true))
	require.ErrorIs(t, second.Run(t.Context()), ErrInUse, "a rewrite has given up the lock")
	first.close()
	require.ErrorIs(t, second.Run(t.Context()), ErrNotRegistered)
}

// TestState_RemovedJournal removes the journal while an agent runs. Another agent can then create
// and lock a new one, but the first must not run a command any more that it cannot record.
func TestState_RemovedJournal(t *testing.T) {
	t.Parallel()
	open := func(path string) *journal {
		j, err := openJournal(path, thisMachine().id(), lockFile, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		t.Cleanup(j.close)
		return j
	}
	t.Run("is created again with all entries", func(t *testing.T) {
		t.Parallel()
		path := newJournalPath(t)
		j := open(path)
		require.NoError(t, j.begin(testCommand(1), false, true))
		require.NoError(t, os.Remove(path))
		require.NoError(t, j.begin(testCommand(2), false, true))
		require.Equal(t, []string{"cmd_1", "cmd_2"}, storedIDs(t, path))
		_, err := openJournal(path, thisMachine().id(), lockFile, slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, ErrInUse)
	})
	t.Run("another agent has taken its place", func(t *testing.T) {
		t.Parallel()
		path := newJournalPath(t)
		j := open(path)
		require.NoError(t, os.Remove(path))
		other := open(path)
		for range 2 {
			require.ErrorIs(t, j.begin(testCommand(1), false, true), ErrInUse)
			_, err := j.claimKey()
			require.ErrorIs(t, err, ErrInUse)
		}
		require.NoError(t, other.begin(testCommand(1), false, true))
		require.Equal(t, []string{"cmd_1"}, storedIDs(t, path))
	})
}

func TestRegister_UnwritableStateFileSendsNoCode(t *testing.T) {
	t.Parallel()
	g := newFakeRegistrar(t)
	state := filepath.Join(t.TempDir(), "missing", "device.json")
	require.Error(t, newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA").Run(t.Context()))
	keys, _ := g.requests()
	require.Empty(t, keys, "the code was sent although the identity cannot be stored")
}
