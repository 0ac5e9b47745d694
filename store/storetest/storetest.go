// Package storetest starts the stores that tests use: the embedded server and real
// redis-server processes. A real server can run alone, behind Sentinel or in a Cluster.
// The package also has a proxy that injects faults.
package storetest

import (
	"cmp"
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

// Server is a redis-server process that belongs to a test.
type Server struct {
	Port string
	dir  string
	args []string
	env  []string // added to the environment of the test binary
	cmd  *exec.Cmd
	dead chan struct{} // closed when the process has ended
}

// URL returns the URL of the server.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Addr returns the host and port of the server.
func (s *Server) Addr() string { return "127.0.0.1:" + s.Port }

// shared is the redis-server that all tests of the test binary use. Main starts it.
var shared *Server

// Main runs the tests of a package with one redis-server for all of them. Each test uses
// its own tenants, so that the tests do not affect each other.
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

// Start starts a server for one test. The arguments in args are passed to redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return startFor(t, standalone, args...)
}

// StartWith is like Start, but adds the variables in env to the server's environment.
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

// Kill kills the server with SIGKILL, like a crash, and waits until its process has
// ended. It also kills the children that write snapshots and rewrite the append-only file: they would
// still write to the directory while it is removed.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.dead
}

// Signal sends the server a signal, such as SIGSTOP.
func (s *Server) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
}

// Restart starts a killed server again, with the same port and data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, s.launch())
}

// Client returns a Redis client for the server. The client works without package store.
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

// arguments is a function that builds the arguments of redis-server. Each kind of server
// has a function of its own.
type arguments func(port, dir string) []string

// standalone returns the arguments of a single server. They ensure that the server loses
// no acknowledged write when its process is killed. With appendfsync everysec it could
// lose some, because it delays writes for up to two seconds while the previous fsync is
// in progress.
func standalone(port, dir string) []string {
	return []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "no", "--logfile", filepath.Join(dir, "log"),
	}
}

// start starts a server on a free port. Another process may take that port before the
// server listens, so start tries several ports.
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
	return nil, fmt.Errorf("starting redis-server failed (make test installs it): %w", err)
}

func freePort() (string, error) {
	addr, err := freeAddr()
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// program returns the name or path of the server's program: the value of the environment
// variable FIELDGATE_TEST_REDIS_SERVER, such as valkey-server, or redis-server by default.
func program() string { return cmp.Or(os.Getenv("FIELDGATE_TEST_REDIS_SERVER"), "redis-server") }

// launch starts the process and waits until the server is ready.
func (s *Server) launch() error {
	s.cmd = exec.Command(program(), s.args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.SysProcAttr = DieWithParent()
	s.cmd.SysProcAttr.Setpgid = true // the process leads a group: see Kill
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

// awaitReady waits until the server replies. It compares the process id, because another
// server may have taken the port.
func (s *Server) awaitReady() error {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	own := fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		info, err := client.Info(context.Background(), "server").Result()
		if redis.HasErrorPrefix(err, "NOAUTH") {
			return nil // the default user is off
		}
		if strings.Contains(info, own) && client.Ping(context.Background()).Err() == nil {
			return nil
		}
		select {
		case <-s.dead:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("redis-server exited at once: %s", log)
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.Kill()
	return errors.New("redis-server did not reply in time")
}

// Each runs test twice: on the embedded server and on a real Redis.
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

// Redis returns a store on the redis-server of the test binary.
func Redis(t testing.TB) *store.Store {
	t.Helper()
	return Connect(t, store.Config{URL: SharedURL(t)})
}

// SharedURL returns the URL of the redis-server of the test binary.
func SharedURL(t testing.TB) string {
	t.Helper()
	skipWithoutRedis(t)
	require.NotNil(t, shared, "the package's TestMain must be storetest.Main")
	return shared.URL()
}

// WithoutFunctions reports whether tests run all scripts with EVALSHA. FIELDGATE_TEST_FUNCTIONS=off
// selects this.
func WithoutFunctions() bool { return os.Getenv("FIELDGATE_TEST_FUNCTIONS") == "off" }

// Connect opens a store and closes it when the test ends. If cfg has no logger, Connect
// discards the log.
func Connect(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.NoFunctions = cfg.NoFunctions || WithoutFunctions()
	s, err := store.Connect(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Tenant returns the name of a new tenant that no other test uses.
func Tenant() string { return "c.test-" + strings.ToLower(rand.Text()) }
