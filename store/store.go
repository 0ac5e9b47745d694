// Package store is the gateway's way to Redis: one connection for a single
// node, Sentinel, Cluster or the embedded server, the keys and the scripts'
// common parts. Nothing above it knows which Redis it talks to.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
)

// Config says where Redis is and how to talk to it.
type Config struct {
	// URL is redis://, rediss:// (TLS), redis+sentinel:// or redis+cluster://,
	// the latter two also with TLS as rediss+sentinel:// and rediss+cluster://.
	// Empty starts an embedded server whose data ends with the process.
	//
	// TLS trusts the system's certificate authorities and, on Linux, those of the
	// file that the environment names in SSL_CERT_FILE.
	URL string

	// Timeout bounds one round trip, including the wait for a connection.
	// Default: 1.8 s, so that an outage is an answer within 2 s.
	Timeout time.Duration

	// AutoPipeline sends the scripts of concurrent callers together. It saves
	// Redis and the gateway CPU under load and costs a lone caller a little.
	AutoPipeline bool

	// PoolSize is the number of connections. Default: 10 for each CPU.
	PoolSize int

	// Observe, if set, is told of every round trip: the script or command, how
	// long it took, and the error that its caller got, if any. That there is no
	// such key is an answer and no error.
	Observe func(name string, took time.Duration, err error)

	// Recorded, if set, is told the type of every event that a script of this
	// instance recorded, such as "command.claimed".
	Recorded func(event string)

	// Violated, if set, is told of every invariant that was found broken.
	Violated func(invariant string)

	// Logger is where the store says what it found. Default: slog.Default().
	Logger *slog.Logger
}

// Store is a connection to Redis. It is safe for concurrent use.
type Store struct {
	client   redis.UniversalClient
	kind     string    // of the client: "" (a single server), sentinel or cluster
	send     send      // how scripts travel
	embedded *embedded // nil for a real server
	timeout  time.Duration
	alive    time.Duration // how long Listen trusts a silent connection
	observe  func(string, time.Duration, error)
	recorded func(event string)
	violated func(invariant string)
	log      *slog.Logger
	hashKey  []byte
	close    func() error
}

// Connect opens the store, checks that it is fit for a queue and says what it
// found. The error is a sentence for the operator.
func Connect(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{timeout: cfg.Timeout, alive: aliveEvery, observe: cfg.Observe, recorded: cfg.Recorded, violated: cfg.Violated, log: cfg.Logger}
	s.defaults()
	if err := s.open(cfg); err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) defaults() {
	if s.timeout == 0 {
		s.timeout = 1800 * time.Millisecond
	}
	if s.observe == nil {
		s.observe = func(string, time.Duration, error) {}
	}
	if s.recorded == nil {
		s.recorded = func(string) {}
	}
	if s.violated == nil {
		s.violated = func(string) {}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
}

func (s *Store) open(cfg Config) (err error) {
	if cfg.URL == "" {
		if s.embedded, err = startEmbedded(); err != nil {
			return fmt.Errorf("starting the embedded store: %w", err)
		}
		cfg.URL = s.embedded.url()
	}
	if s.client, s.kind, err = dial(cfg.URL, cfg.PoolSize); err != nil {
		return err
	}
	s.close = sync.OnceValue(s.shut)
	s.send = s.client.Process
	if cfg.AutoPipeline {
		s.send, err = pipeline(s.client)
	}
	return err
}

// Close ends the connection, and the embedded server with it. It may be called
// more than once.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	err := s.client.Close()
	if s.embedded != nil {
		s.embedded.close()
	}
	return err
}

// Embedded tells whether the data ends with the process.
func (s *Store) Embedded() bool { return s.embedded != nil }

// HashKey is the secret, made at the first start and kept in the store, under
// which short secrets are hashed.
func (s *Store) HashKey() []byte { return slices.Clone(s.hashKey) }

// Client is the connection itself, for reads that need no script. Every call
// goes through Do.
type Client = redis.Cmdable

// Do runs reads of the store, and writes that may be made twice, under the
// timeout, and gives an outage as a *fieldgate.Error. Missing keys (redis.Nil)
// are for the caller.
func (s *Store) Do(ctx context.Context, name string, f func(ctx context.Context, c Client) error) error {
	return s.do(ctx, name, func(ctx context.Context) error { return f(ctx, s.client) })
}

// Ping asks the store for a sign of life and says how long it took.
func (s *Store) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := s.do(ctx, "ping", func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
	return time.Since(start), err
}

func (s *Store) do(ctx context.Context, name string, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	start := time.Now()
	err := classify(ctx, name, f(bounded))
	took := time.Since(start)
	if errors.Is(err, redis.Nil) {
		s.observe(name, took, nil)
		return err
	}
	s.observe(name, took, err)
	return err
}

// classify tells an outage from a mistake of ours. A refusal, and a caller that
// went away, are neither.
func classify(ctx context.Context, name string, err error) error {
	var refusal *fieldgate.Error
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.As(err, &refusal):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case isMistake(err):
		return fmt.Errorf("running %s in the store: %w", name, err)
	}
	return &fieldgate.Error{
		Code:       fieldgate.CodeStoreUnavailable,
		Detail:     "The gateway cannot reach its store. Nothing is lost; try again shortly.",
		RetryAfter: time.Second,
		Cause:      fmt.Errorf("%s: %w", name, err),
	}
}

// IsTransient reports whether an operation on the store failed only for now: the
// context ended, or the store could not be reached. What it worked on is then not
// at fault, and the operation may be repeated later.
func IsTransient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable
}

// isMistake tells whether the server answered and the answer means that our
// request is wrong. All other answers of the server (LOADING, READONLY, OOM,
// CLUSTERDOWN, MISCONF, ...) say that it cannot serve at the moment.
func isMistake(err error) bool {
	if errors.Is(err, errNoList) {
		return true
	}
	var reply redis.Error
	if !errors.As(err, &reply) || strings.Contains(reply.Error(), "max number of clients") {
		return false
	}
	word, _, _ := strings.Cut(reply.Error(), " ")
	return word == "ERR" || word == "WRONGTYPE" || word == "CROSSSLOT"
}
