package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// These are the timeouts of one connection: for dialing, and for a read, a write or the
// wait for a free connection. They are shorter than Config.Timeout.
const (
	dialTimeout  = 800 * time.Millisecond
	replyTimeout = 1500 * time.Millisecond
)

// reloadEvery is the interval at which the client of a Cluster reloads the map of slots.
// When a master died, writes succeeded again after 57 s with the library's default of a
// minute, and after 3.5 s with one second.
const reloadEvery = time.Second

// urlHint describes a valid URL in error messages. No error contains the URL or a part of
// it, because the URL may hold a password.
const urlHint = "it must be redis://, rediss://, redis+sentinel:// or redis+cluster:// with a host, " +
	"special characters of the password percent-encoded"

var (
	errURL    = errors.New("the Redis URL is not valid: " + urlHint)
	errMaster = errors.New("the Redis URL names no master: add ?master_name=NAME")
)

// init sets a logger by which the client library writes to the debug log. By default, the
// library writes every failed dial to stderr and also returns the error. It has one
// logger for the whole process.
func init() { redis.SetLogger(libraryLog{}) }

// libraryLog is the logger of the client library.
type libraryLog struct{}

// Printf writes a message of the library to the debug log.
func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}

// dialers maps the kind of a server to the function that creates its client. The URL
// passed to the function has a scheme without the kind.
var dialers = map[string]func(url string, poolSize int) (redis.UniversalClient, error){
	"":       dialSingle,
	sentinel: dialSentinel,
	cluster:  dialCluster,
}

// dial creates the client for rawURL. It returns the client and the kind of the server.
// It does not connect yet. No client repeats a command by itself.
func dial(rawURL string, poolSize int) (client redis.UniversalClient, kind string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return nil, "", errURL
	}
	u.Scheme, kind, _ = strings.Cut(u.Scheme, "+")
	if dialers[kind] == nil || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return nil, "", errURL
	}
	client, err = dialers[kind](u.String(), poolSize)
	return client, kind, err
}

func dialSingle(url string, poolSize int) (redis.UniversalClient, error) {
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = replyTimeout, replyTimeout, replyTimeout
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = poolSize
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opt), nil
}

// dialSentinel creates a client that finds its master through Sentinel. The query of the
// URL names the master (master_name, required), the master's credentials (username,
// password) and further sentinels (addr). The credentials before the URL's host are those
// for the sentinels.
func dialSentinel(url string, poolSize int) (redis.UniversalClient, error) {
	opt, err := redis.ParseFailoverURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	if opt.MasterName == "" {
		return nil, errMaster
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = replyTimeout, replyTimeout, replyTimeout
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = poolSize
	return redis.NewFailoverClient(opt), nil
}

// dialCluster creates a client for a Cluster. The query of the URL may name further nodes
// (addr). MaxRetries does not stop this client from repeating commands: the type once
// does.
func dialCluster(url string, poolSize int) (redis.UniversalClient, error) {
	opt, err := redis.ParseClusterURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = replyTimeout, replyTimeout, replyTimeout
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = poolSize
	opt.ClusterStateReloadInterval = reloadEvery
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClusterClient(opt), nil
}

// redactURL returns an error with the reason of the library, such as "invalid database
// number", but without the value after the colon. That value is a part of the password
// when the password in the URL was not percent-encoded.
func redactURL(err error) error {
	reason, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "redis: "), ":")
	return fmt.Errorf("the Redis URL is not valid (%s): %s", reason, urlHint)
}

// newPipeline returns a sendFunc that sends commands from concurrent callers in one
// pipeline.
func newPipeline(client redis.UniversalClient) (sendFunc, error) {
	pipeliner, ok := client.(interface {
		AsyncAutoPipeline() (*redis.AutoPipeliner, error)
	})
	if !ok {
		return nil, errors.New("the Redis client has no automatic pipeline")
	}
	queue, err := pipeliner.AsyncAutoPipeline()
	if err != nil {
		return nil, fmt.Errorf("starting the pipeline: %w", err)
	}
	return func(ctx context.Context, cmd redis.Cmder) error {
		return queue.Submit(ctx, cmd).WaitContext(ctx)
	}, nil
}
