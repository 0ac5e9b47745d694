// Package store connects the gateway to Redis: to a single server, a master behind
// Sentinel, a Cluster, or the embedded server. It also owns the keys, the common
// parts of the scripts, the sweeper and the reconciler. No other package depends on
// the kind of Redis.
package store

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/tracing"
)

// Config configures the connection to Redis.
type Config struct {
	// URL is the address of Redis. Its scheme is redis, redis+sentinel or redis+cluster
	// or, with TLS, rediss, rediss+sentinel or rediss+cluster. An empty URL starts an
	// embedded server, whose data is lost when the process ends.
	//
	// TLS trusts the system's certificate authorities, unless CAFile is set. On Linux, the
	// environment variable SSL_CERT_FILE can name the file of the system's authorities.
	URL string

	// CAFile is a file with the PEM certificates of the authorities that are trusted instead of
	// the system's. CertFile and KeyFile have the PEM certificate and the key with which the
	// gateway authenticates to Redis. All are read again for each new connection. They require
	// a URL with TLS.
	CAFile   string
	CertFile string
	KeyFile  string

	// PasswordFile is a file with the password of the Redis user, instead of one in URL. It is
	// read again for each new connection.
	PasswordFile string

	// StoreID is the id of the only store that Connect accepts. It refuses a new store and one
	// with another id. If empty, Connect accepts every store and creates a new one. A store
	// of an earlier version has no id and takes this one.
	StoreID string

	// Existing refuses a store that no instance has used yet, instead of creating it.
	Existing bool

	// ReadOnly accepts only a store that an instance has used, like Existing, and writes nothing
	// to it while connecting. A later call of Run or Do may still write.
	ReadOnly bool

	// Development refuses a store that an instance without Development has written, and marks a
	// new one as its own.
	Development bool

	// Timeout bounds one round trip, including the wait for a connection.
	// Default: 1.8 s, so that a request fails within 2 s during an outage. The default of
	// the embedded store is 15 s, because no network can separate it from the gateway.
	Timeout time.Duration

	// AutoPipeline sends the scripts of concurrent callers in one pipeline. Under
	// load it saves processor time of Redis and of the gateway. It costs a single
	// caller a little latency.
	AutoPipeline bool

	// NoFunctions runs every script with EVALSHA, even if the server has functions.
	NoFunctions bool

	// Scripts are loaded into the server by Connect, so that their first callers need not send
	// them. Other scripts are loaded when they are first called.
	Scripts []*Scripts

	// PoolSize is the maximum number of connections for scripts. Default: 10 per CPU.
	PoolSize int

	// ReadPoolSize is the maximum number of connections for Do. Reads have connections of
	// their own so that large reads do not delay claims. Default: 4 per CPU.
	ReadPoolSize int

	// Observe, if set, is called after every round trip with the name of the script
	// or command, its duration and the error that the caller gets. A missing key is
	// not an error here.
	Observe func(name string, took time.Duration, err error)

	// Recorded, if set, is called with the type of every event that a script of this
	// instance recorded, such as "command.claimed".
	Recorded func(event string)

	// Violated, if set, is called with the name of every invariant that was found
	// broken.
	Violated func(invariant string)

	// Memory, if set, receives the share of maxmemory that is used, each time that
	// WatchMemory reads it.
	Memory func(share float64)

	// Problem, if set, receives the state of each problem, each time that Watch has checked
	// the servers.
	Problem func(problem Problem, found bool)

	// Tracer starts a span for each call of Redis that serves a traced request. Nil records no spans.
	Tracer tracing.Tracer

	// Logger receives the log of the store. Default: slog.Default().
	Logger *slog.Logger
}

// Store is a connection to Redis. It is safe for concurrent use.
type Store struct {
	client         redis.UniversalClient
	reads          redis.UniversalClient // the client that Do uses
	kind           string                // "" for a single server, or "sentinel" or "cluster"
	send           sendFunc              // sends scripts, alone or in a pipeline
	embedded       *embedded             // nil for a real server
	timeout        time.Duration
	silenceTimeout time.Duration // time without a message after which Listen publishes a probe
	observe        func(string, time.Duration, error)
	tracer         tracing.Tracer
	recorded       func(event string)
	violated       func(invariant string)
	log            *slog.Logger
	full           atomic.Bool // true while scripts that create something are refused; see WatchMemory
	memory         func(share float64)
	problem        func(problem Problem, found bool)
	watchEvery     time.Duration // interval between two checks of Watch
	sweepAllEvery  time.Duration // interval between two sweeps of all partitions
	due            dueTimes
	swept          sweepTimes

	keepsLonger atomic.Bool  // a shorter retention does not apply yet to what has ended
	paused      atomic.Bool  // this program cannot read the data; see TooNew
	id          string       // Config.StoreID
	development bool         // Config.Development
	existing    bool         // Config.Existing
	readOnly    bool         // Config.ReadOnly
	replied     atomic.Int64 // time of the last reply of the server, in Unix nanoseconds
	hashKey     []byte
	packs       bool // the states of new commands, and events, are packed
	statements  bool // new commands have statements
	functions   functions
	dialer      dialer // opens the connections of client and reads
	close       func() error
}

// Connect opens the store and checks the server's version, eviction policy and
// persistence. It logs its findings. The error text is a sentence for the operator.
func Connect(ctx context.Context, cfg Config) (*Store, error) {
	s := newStore(cfg)
	if err := s.open(cfg); err != nil {
		return nil, err
	}
	if err := s.check(ctx, append([]*Scripts{ownScripts}, cfg.Scripts...)); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// newStore returns a store that is not open.
func newStore(cfg Config) *Store {
	s := &Store{id: cfg.StoreID, development: cfg.Development, existing: cfg.Existing || cfg.ReadOnly, readOnly: cfg.ReadOnly, timeout: cmp.Or(cfg.Timeout, defaultTimeoutFor(cfg.URL)), silenceTimeout: silenceTimeout, observe: cfg.Observe, tracer: cfg.Tracer, recorded: cfg.Recorded, violated: cfg.Violated, memory: cfg.Memory, problem: cfg.Problem, watchEvery: watchEvery, sweepAllEvery: sweepAllEvery, log: cmp.Or(cfg.Logger, slog.Default())}
	s.defaults()
	s.functions.disabled, s.functions.loaded = cfg.NoFunctions || cfg.ReadOnly, map[*Scripts]time.Time{}
	s.dialer.replyTimeout = replyTimeoutFor(s.timeout)
	return s
}

// These are the defaults of Config.Timeout. A call of the embedded store is slow only while the
// whole process is, and then an error would be wrong: nothing is out of reach.
const (
	defaultTimeout         = 1800 * time.Millisecond
	defaultEmbeddedTimeout = 15 * time.Second
)

// defaultTimeoutFor returns the default of Config.Timeout for a Config.URL.
func defaultTimeoutFor(url string) time.Duration {
	if url == "" {
		return defaultEmbeddedTimeout
	}
	return defaultTimeout
}

func (s *Store) defaults() {
	if s.observe == nil {
		s.observe = func(string, time.Duration, error) {}
	}
	if s.recorded == nil {
		s.recorded = func(string) {}
	}
	if s.violated == nil {
		s.violated = func(string) {}
	}
	if s.memory == nil {
		s.memory = func(float64) {}
	}
	if s.problem == nil {
		s.problem = func(Problem, bool) {}
	}
}

func (s *Store) open(cfg Config) (err error) {
	if cfg.URL == "" {
		if s.embedded, err = startEmbedded(); err != nil {
			return fmt.Errorf("starting the embedded store: %w", err)
		}
		cfg.URL = s.embedded.url()
	} else if err := s.dialer.readFiles(cfg, s.log); err != nil {
		return err
	}
	if cfg.ReadPoolSize == 0 {
		cfg.ReadPoolSize = 4 * runtime.GOMAXPROCS(0)
	}
	if s.client, s.kind, err = dial(cfg.URL, cfg.PoolSize, &s.dialer); err != nil {
		return err
	}
	if s.reads, _, err = dial(cfg.URL, cfg.ReadPoolSize, &s.dialer); err != nil {
		return err
	}
	s.close = sync.OnceValue(s.closeAll)
	s.send = s.client.Process
	if cfg.AutoPipeline {
		s.send, err = newPipeline(s.client)
	}
	return err
}

// Close closes the connection and stops the embedded server. It may be called more than
// once.
func (s *Store) Close() error { return s.close() }

func (s *Store) closeAll() error {
	err := errors.Join(s.client.Close(), s.reads.Close())
	if s.embedded != nil {
		s.embedded.close()
	}
	return err
}

// Embedded reports whether the server is the embedded one, whose data is lost when the
// process ends.
func (s *Store) Embedded() bool { return s.embedded != nil }

// HashKey returns the key for the keyed hashes of short secrets, such as activation
// codes. The key was generated at the first start and is kept in the store.
func (s *Store) HashKey() []byte { return slices.Clone(s.hashKey) }

// Client is the connection to Redis, for operations that need no script. Only Store.Do
// passes a Client to its callers.
type Client = redis.Cmdable

// Pools returns the statistics of the connections to Redis, by what they are used for: scripts or
// reads.
func (s *Store) Pools() map[string]*redis.PoolStats {
	return map[string]*redis.PoolStats{"scripts": s.client.PoolStats(), "reads": s.reads.PoolStats()}
}

// Do calls f with a client and a context that ends after Config.Timeout. The client does
// not share connections with scripts. Do is for reads, and for writes that may be
// repeated. In an outage, the error is a *fieldgate.Error with the code
// store_unavailable. Do returns redis.Nil unchanged.
//
// If the connection breaks, Do calls f once more, so f must not add to what an earlier call of
// f left behind.
func (s *Store) Do(ctx context.Context, name string, f func(ctx context.Context, c Client) error) error {
	if s.TooNew() {
		return errTooNew
	}
	span := s.startSpan(ctx, name)
	err := s.do(ctx, name, func(ctx context.Context) error {
		call := func() error { return f(ctx, s.reads) }
		err := call()
		if isBroken(err) {
			err = call()
		}
		if isDial(err) {
			// After several failed dials, a pool tries again only once a second. The pool of
			// scripts may have found the server earlier.
			err = f(ctx, s.client)
		}
		return err
	})
	endSpan(span, err)
	return err
}

// isDial reports whether err means that no connection could be opened.
func isDial(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// isBroken reports whether err means that the connection was closed before the whole reply.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Ping pings the server and returns how long the reply took.
func (s *Store) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := s.do(ctx, "ping", func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
	return time.Since(start), err
}

// LastReply returns the time of the last reply of the server, which may be an error reply.
func (s *Store) LastReply() time.Time { return time.Unix(0, s.replied.Load()) }

// do calls f with a context that ends after Config.Timeout. It reports the duration and
// the classified error to Config.Observe.
func (s *Store) do(ctx context.Context, name string, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	start := time.Now()
	err := f(bounded)
	if err == nil || isReply(err) {
		s.replied.Store(time.Now().UnixNano())
	}
	err = classify(ctx, name, err)
	took := time.Since(start)
	if errors.Is(err, redis.Nil) {
		s.observe(name, took, nil)
		return err
	}
	s.observe(name, took, err)
	return err
}

// classify converts err, the error of an operation, to the error that the caller gets. An
// outage becomes store_unavailable. A request that Redis rejects becomes an internal
// error. A refusal, a missing key and the end of the caller's context are returned
// unchanged.
func classify(ctx context.Context, name string, err error) error {
	var refusal *fieldgate.Error
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.As(err, &refusal):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case redis.HasErrorPrefix(err, "OOM"):
		return errStoreFull
	case isRejected(err):
		return fmt.Errorf("running %s in the store: %w", name, err)
	}
	return &fieldgate.Error{
		Code:       fieldgate.CodeStoreUnavailable,
		Detail:     "The gateway cannot reach its store. No accepted command is lost. Try again shortly.",
		RetryAfter: time.Second,
		Cause:      fmt.Errorf("%s: %w", name, err),
	}
}

// isReply reports whether err is an error reply of the server.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// Refused returns the first word of the reply if err, an error of Probe, means that the server
// refuses writes. It returns "" if the server did not reply.
func Refused(err error) string {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return ""
	}
	word, _, _ := strings.Cut(reply.Error(), " ")
	return word
}

// IsTransient reports whether err means that the context ended, that the store could not be
// reached, or that the user of Redis may not run a command. In all cases the record is not at
// fault, and the operation may be repeated later.
func IsTransient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable || lacksRight(err)
}

// These are the beginnings of the error replies to a command that the user of Redis may not run.
// Inside a script, Redis does not use the word NOPERM: version 7.0 has a sentence of its own, and
// later versions and Valkey have another one.
const (
	noRight           = "NOPERM"
	noRightInScript   = "ERR ACL failure in script"
	noRightInScript70 = "ERR The user executing the script can't"
)

// lacksRight reports whether err means that the user of Redis may not run a command, or may not use
// one of its keys or channels.
func lacksRight(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	text := reply.Error()
	return strings.HasPrefix(text, noRight) || strings.HasPrefix(text, noRightInScript) || strings.HasPrefix(text, noRightInScript70)
}

// maxTries is the maximum number of calls of Retry.
const maxTries = 5

// Retry calls f again while the store does not reply in time. It is for the commands of an operator:
// requests of clients fail instead.
func Retry(ctx context.Context, f func() error) (err error) {
	for range maxTries {
		if err = f(); err == nil || ctx.Err() != nil || !IsTransient(ctx, err) {
			return err
		}
	}
	return err
}

// transientReplies are the first words of error replies that end without a change of the
// settings: the server loads its data, waits for its master or replicas, runs a script for too
// long, or has no memory or disk left.
var transientReplies = []string{
	"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "READONLY", "NOREPLICAS", "OOM", "MISCONF",
}

// IsUnreachable reports whether err, an error of Connect, means that the server could not be
// reached or was not ready, so that a later attempt may succeed. It returns false for a wrong
// address, password, certificate or file, as far as that can be known.
func IsUnreachable(err error) bool {
	var reply redis.Error
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var refused *net.OpError
	var file *fs.PathError
	var network net.Error
	switch {
	case errors.As(err, &reply):
		word, _, _ := strings.Cut(reply.Error(), " ")
		return slices.Contains(transientReplies, word) || strings.Contains(reply.Error(), "max number of clients")
	case errors.As(err, &certificate), errors.As(err, &notTLS), errors.As(err, &file):
		return false
	case errors.As(err, &refused) && refused.Op == "remote error": // an alert of TLS: the server refuses the gateway's certificate
		return false
	}
	return errors.As(err, &network) || isBroken(err) || errors.Is(err, context.DeadlineExceeded)
}

// isRejected reports whether the server rejected the request itself, which is a fault in this
// program, or in the rights of the user of Redis. All other error replies (LOADING, READONLY, OOM,
// CLUSTERDOWN, MISCONF, ...) mean that the server is unavailable for now.
func isRejected(err error) bool {
	if errors.Is(err, errNoList) {
		return true
	}
	var reply redis.Error
	if !errors.As(err, &reply) || strings.Contains(reply.Error(), "max number of clients") {
		return false
	}
	word, _, _ := strings.Cut(reply.Error(), " ")
	return word == "ERR" || word == WrongType || word == "CROSSSLOT" || word == noRight
}
