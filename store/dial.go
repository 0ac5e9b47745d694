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

// Bounds of one connection, within Config.Timeout: a dial that gets no answer,
// and a reply that does not come.
const (
	dialTimeout  = 800 * time.Millisecond
	replyTimeout = 1500 * time.Millisecond
)

// reloadEvery is how often the client of a Cluster looks where the slots are.
// With its default of a minute, writes came back 57 s after a master had died;
// so, 3.5 s.
const reloadEvery = time.Second

// urlHint says what a URL must be. No error ever names the URL itself, nor a part
// of it, because it may hold a password.
const urlHint = "it must be redis://, rediss://, redis+sentinel:// or redis+cluster:// with a host, " +
	"special characters of the password percent-encoded"

var (
	errURL    = errors.New("the Redis URL is not valid: " + urlHint)
	errMaster = errors.New("the Redis URL names no master: add ?master_name=NAME")
)

// The client library writes every failed dial to stderr, although it also
// returns it. This is its only setting, and one of the whole process.
func init() { redis.SetLogger(libraryLog{}) }

type libraryLog struct{}

func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}

// dialers make a client for a URL without its kind.
var dialers = map[string]func(url string, poolSize int) (redis.UniversalClient, error){
	"":       dialSingle,
	sentinel: dialSentinel,
	cluster:  dialCluster,
}

// dial makes the client for a URL, without connecting yet, and tells of which
// kind it is. No client sends a command again by itself.
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
		return nil, withoutValue(err)
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = replyTimeout, replyTimeout, replyTimeout
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = poolSize
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opt), nil
}

// dialSentinel takes the master's name from the query (master_name, which is
// required), its user and password too (username, password), and further
// sentinels from addr. The user and password of the URL are the sentinels' own.
func dialSentinel(url string, poolSize int) (redis.UniversalClient, error) {
	opt, err := redis.ParseFailoverURL(url)
	if err != nil {
		return nil, withoutValue(err)
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

// dialCluster takes further nodes from addr in the query. MaxRetries does not
// keep this client from sending again: see once.
func dialCluster(url string, poolSize int) (redis.UniversalClient, error) {
	opt, err := redis.ParseClusterURL(url)
	if err != nil {
		return nil, withoutValue(err)
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

// withoutValue keeps what the library says is wrong, such as "invalid database
// number", and drops the value behind the colon: where a password was not
// encoded, it is a part of that password.
func withoutValue(err error) error {
	what, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "redis: "), ":")
	return fmt.Errorf("the Redis URL is not valid (%s): %s", what, urlHint)
}

// pipeline makes the way on which the scripts of concurrent callers travel
// together.
func pipeline(client redis.UniversalClient) (send, error) {
	pipeliner, ok := client.(interface {
		AsyncAutoPipeline() (*redis.AutoPipeliner, error)
	})
	if !ok {
		return nil, errors.New("this Redis client cannot pipeline by itself")
	}
	queue, err := pipeliner.AsyncAutoPipeline()
	if err != nil {
		return nil, fmt.Errorf("starting the pipeline: %w", err)
	}
	return func(ctx context.Context, cmd redis.Cmder) error {
		return queue.Submit(ctx, cmd).WaitContext(ctx)
	}, nil
}
