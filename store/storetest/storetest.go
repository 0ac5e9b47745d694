// Package storetest gives tests the stores that the gateway runs on: the
// embedded one, and a real redis-server that the test starts itself.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

// Server is a redis-server of a test's own: its port, its directory, its life.
type Server struct {
	Port string
	dir  string
	args []string
	env  []string // besides that of the test binary
	cmd  *exec.Cmd
	dead chan struct{} // closed when the process has ended
}

// URL is where the server listens.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Addr is the server's host and port.
func (s *Server) Addr() string { return "127.0.0.1:" + s.Port }

// shared is the server of a test binary, started by Main.
var shared *Server

// Main runs a package's tests with one redis-server for all of them. Tests keep
// out of each other's way by using tenants of their own.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() && !hasRedis() {
		fmt.Fprintln(os.Stderr, "redis-server is not installed: the tests that need it are skipped")
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "fieldgate-redis-")
	if err == nil {
		defer os.RemoveAll(dir)
		shared, err = start(dir, nil, standalone)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.stop()
	return m.Run()
}

// Start gives a test a server of its own, for what the others must not see.
// Further arguments are those of redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return startFor(t, standalone, args...)
}

// StartWith is Start with variables in the environment of the server.
func StartWith(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	skipWithoutRedis(t)
	server, err := start(t.TempDir(), env, standalone, args...)
	require.NoError(t, err)
	t.Cleanup(server.stop)
	return server
}

func startFor(t testing.TB, arguments arguments, more ...string) *Server {
	t.Helper()
	skipWithoutRedis(t)
	server, err := start(t.TempDir(), nil, arguments, more...)
	require.NoError(t, err)
	t.Cleanup(server.stop)
	return server
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.dead
}

// Signal sends the server a signal, such as SIGSTOP.
func (s *Server) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
}

// Restart starts a killed server again on its port and its data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, s.launch())
}

// Client connects to the server directly, past the store.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (s *Server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	s.Kill()
}

// arguments are those of redis-server for a kind of server.
type arguments func(port, dir string) []string

// standalone keeps what it answered when its process is killed. With everysec it
// might not: it puts its writes off, for up to two seconds, while the disk is busy
// with the last fsync.
func standalone(port, dir string) []string {
	return []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "no", "--logfile", filepath.Join(dir, "log"),
	}
}

// start finds a free port and starts a server there. Another process may take
// the port in between, so it tries a few.
func start(dir string, env []string, arguments arguments, more ...string) (server *Server, err error) {
	for range 5 {
		var port string
		if port, err = freePort(); err != nil {
			return nil, err
		}
		server = &Server{Port: port, dir: dir, args: append(arguments(port, dir), more...), env: env}
		if err = server.launch(); err == nil {
			return server, nil
		}
	}
	return nil, fmt.Errorf("no redis-server could be started (make test installs it): %w", err)
}

func freePort() (string, error) {
	addr, err := freeAddr()
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// FreeAddr is a host and port on which nobody listens. Another process may take it until
// it is used.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeAddr()
	require.NoError(t, err)
	return addr
}

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (s *Server) launch() error {
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.SysProcAttr = DieWithParent()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("starting redis-server: %w", err)
	}
	s.dead = make(chan struct{})
	go func(cmd *exec.Cmd, dead chan struct{}) {
		_ = cmd.Wait()
		close(dead)
	}(s.cmd, s.dead)
	return s.awaitReady()
}

// awaitReady waits until the server answers, and not another one that was
// faster to take its port.
func (s *Server) awaitReady() error {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	own := fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		info, _ := client.Info(context.Background(), "server").Result()
		if strings.Contains(info, own) && client.Ping(context.Background()).Err() == nil {
			return nil
		}
		select {
		case <-s.dead:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("redis-server ended at once: %s", log)
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.Kill()
	return errors.New("redis-server did not answer in time")
}

// Each runs a test on every kind of store that needs no further machine.
func Each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	embedded := func(testing.TB) string { return "" }
	for name, url := range map[string]func(testing.TB) string{"embedded": embedded, "redis": SharedURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Connect(t, store.Config{URL: url(t)}))
		})
	}
}

// Redis connects to the test binary's redis-server.
func Redis(t testing.TB) *store.Store {
	t.Helper()
	return Connect(t, store.Config{URL: SharedURL(t)})
}

// SharedURL is where the test binary's redis-server listens.
func SharedURL(t testing.TB) string {
	t.Helper()
	skipWithoutRedis(t)
	require.NotNil(t, shared, "the package's TestMain must be storetest.Main")
	return shared.URL()
}

// Connect opens a store for the length of a test. Without a logger it is silent.
func Connect(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := store.Connect(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Tenant makes up a tenant that no other test uses.
func Tenant() string { return "c.test-" + strings.ToLower(rand.Text()) }
