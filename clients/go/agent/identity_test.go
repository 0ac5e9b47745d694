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

// registrar is a gateway that registers devices, and says so as often as it is asked to.
type registrar struct {
	mu      sync.Mutex
	refusal int      // a status to answer with instead
	empty   int      // how many answers hold nothing
	keys    []string // idempotency keys, as they came
	codes   []string
	url     string
}

func newRegistrar(t testing.TB) *registrar {
	t.Helper()
	g := &registrar{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *registrar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (g *registrar) refuse(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusal = status
}

func (g *registrar) asked() (keys, codes []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keys, g.codes
}

// newcomer is an agent without an identity.
func newcomer(t testing.TB, url, state, code string) *Agent {
	t.Helper()
	a, err := New(Config{URL: url, StateFile: state, ActivationCode: code, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return a
}

func newState(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "device.json")
}

func TestRegisteringIsRepeatedWithTheSameKeyAlsoByTheNextProcess(t *testing.T) {
	t.Parallel()
	g, state := newRegistrar(t), newState(t)
	g.refuse(http.StatusServiceUnavailable)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- newcomer(t, g.url, state, "7K2M-Q9TX-4WPA").Run(ctx) }()
	require.Eventually(t, func() bool { keys, _ := g.asked(); return len(keys) >= 2 }, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)

	g.refuse(0)
	me, err := newcomer(t, g.url, state, "").identify(t.Context()) // it still knows the code
	require.NoError(t, err)
	require.Equal(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}, me)
	keys, _ := g.asked()
	for _, key := range keys {
		require.Equal(t, keys[0], key)
	}
	requireKept(t, state, me)
}

// requireKept requires that a file holds an identity, for its owner alone.
func requireKept(t testing.TB, state string, me identity) {
	t.Helper()
	kept, err := readIdentity(state)
	require.NoError(t, err)
	require.Equal(t, me, kept)
	info, err := os.Stat(state)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoFileExists(t, state+".tmp")
}

func TestACodeThatIsRefusedEndsTheAgentAndANewOneIsANewRequest(t *testing.T) {
	t.Parallel()
	g, state := newRegistrar(t), newState(t)
	g.refuse(http.StatusUnauthorized)
	require.ErrorIs(t, newcomer(t, g.url, state, "AAAA-BBBB-CCCC").Run(t.Context()), ErrCodeRefused)
	g.refuse(0)
	_, err := newcomer(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context())
	require.NoError(t, err)
	keys, codes := g.asked()
	require.Equal(t, []string{"AAAA-BBBB-CCCC", "7K2M-Q9TX-4WPA"}, codes)
	require.NotEqual(t, keys[0], keys[1])
}

// It would overwrite the code and the key with nothing, and be taken for damaged from then on.
func TestAnAnswerWithoutAnIdentityIsNoAnswer(t *testing.T) {
	t.Parallel()
	g, state := newRegistrar(t), newState(t)
	g.empty = 2
	me, err := newcomer(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context())
	require.NoError(t, err)
	require.Equal(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}, me)
	keys, _ := g.asked()
	require.Len(t, keys, 3)
	require.Equal(t, keys[0], keys[2])
	requireKept(t, state, me)
}

func TestADeviceWithAnIdentityUsesNoCode(t *testing.T) {
	t.Parallel()
	g, state := newRegistrar(t), newState(t)
	me := identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}
	require.NoError(t, me.write(state))
	found, err := newcomer(t, g.url, state, "7K2M-Q9TX-4WPA").identify(t.Context())
	require.NoError(t, err)
	require.Equal(t, me, found)
	keys, _ := g.asked()
	require.Empty(t, keys)
}

func TestWithoutIdentityOrCodeThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, newcomer(t, "http://127.0.0.1:1", newState(t), "").Run(t.Context()), ErrNotRegistered)
}

func TestADamagedStateFileIsSaidAndNotReplaced(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut": `{"deviceId":"dev_1","deviceSec`, "zeros": "\x00\x00\x00\x00", "nothing in it": "{}",
		"half an identity": `{"deviceId":"dev_1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := newState(t)
			require.NoError(t, os.WriteFile(state, []byte(text), 0o600))
			err := newcomer(t, "http://127.0.0.1:1", state, "7K2M-Q9TX-4WPA").Run(t.Context())
			require.ErrorIs(t, err, ErrStateDamaged)
			require.ErrorContains(t, err, state)
			kept, err := os.ReadFile(state)
			require.NoError(t, err)
			require.Equal(t, text, string(kept))
		})
	}
}

func TestASecondAgentWithTheSameStateFileRefuses(t *testing.T) {
	t.Parallel()
	state := newState(t)
	unlock, err := lock(state + ".lock")
	require.NoError(t, err)
	second := newcomer(t, "http://127.0.0.1:1", state, "7K2M-Q9TX-4WPA")
	require.ErrorIs(t, second.Run(t.Context()), ErrInUse)
	unlock()
	unlock, err = lock(state + ".lock")
	require.NoError(t, err)
	unlock()
}

func TestAnIdentityThatCannotBeKeptIsAnError(t *testing.T) {
	t.Parallel()
	g := newRegistrar(t)
	state := filepath.Join(t.TempDir(), "missing", "device.json")
	require.Error(t, newcomer(t, g.url, state, "7K2M-Q9TX-4WPA").Run(t.Context()))
	keys, _ := g.asked()
	require.Empty(t, keys, "the code is not used up for nothing")
}
