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

// These are the timeouts of a connection. dialTimeout limits dialing. replyTimeout limits
// a read, a write, and the wait for a free connection; a longer Config.Timeout raises it. Both
// are shorter than the default of Config.Timeout.
const (
	dialTimeout  = 800 * time.Millisecond
	replyTimeout = 1500 * time.Millisecond
)

// replyTimeoutFor returns the timeout of replies for a Config.Timeout: as much shorter than that as
// with the default of both.
func replyTimeoutFor(timeout time.Duration) time.Duration {
	return max(replyTimeout, timeout-(defaultTimeout-replyTimeout))
}

// reloadEvery is the interval at which the client of a Cluster reloads the map of slots.
// The library's default is one minute, and writes then failed for 57 s after the death of
// a master. With one second, they failed for 3.5 s.
const reloadEvery = time.Second

// urlHint is the text in error messages that describes a valid URL. The messages never
// contain any part of the URL that was set, because it may hold a password.
const urlHint = "it must be redis://, rediss://, redis+sentinel:// or redis+cluster:// with a host, " +
	"special characters of the password percent-encoded"

var (
	errURL    = errors.New("the Redis URL is not valid: " + urlHint)
	errMaster = errors.New("the Redis URL names no master: add ?master_name=NAME")

	errNoTLS = errors.New("FIELDGATE_REDIS_CA_FILE, FIELDGATE_REDIS_CERT_FILE and FIELDGATE_REDIS_KEY_FILE need TLS: " +
		"begin the Redis URL with rediss://, rediss+sentinel:// or rediss+cluster://")
	errTwoPasswords = errors.New("FIELDGATE_REDIS_PASSWORD_FILE is set, and the Redis URL has a password too: remove one of them")
)

// init makes the client library log to the debug log. By default, the library writes
// every failed dial to stderr, although it also returns the error. The logger applies to
// the whole process.
func init() { redis.SetLogger(libraryLog{}) }

// libraryLog is the logger of the client library.
type libraryLog struct{}

// Printf writes a message of the library to the debug log.
func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}

// dialers maps the kind of a server to the function that creates its client. The function
// gets a URL without the kind, so that the scheme is "redis" or "rediss".
var dialers = map[string]func(url string, poolSize int, d *dialer) (redis.UniversalClient, error){
	"":       dialSingle,
	sentinel: dialSentinel,
	cluster:  dialCluster,
}

// dial creates the client for rawURL. It returns the client and the kind of the server.
// It does not connect yet. No client repeats a script by itself.
//
// The options of all kinds disable the identity of the library. With it, each connection calls
// CLIENT SETINFO, which the user of deploy/redis.acl may not, and Redis notes each refusal in
// its ACL LOG.
func dial(rawURL string, poolSize int, d *dialer) (client redis.UniversalClient, kind string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return nil, "", errURL
	}
	u.Scheme, kind, _ = strings.Cut(u.Scheme, "+")
	if dialers[kind] == nil || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return nil, "", errURL
	}
	if d.certificates != nil && u.Scheme != "rediss" {
		return nil, "", errNoTLS
	}
	client, err = dialers[kind](u.String(), poolSize, d)
	return client, kind, err
}

func dialSingle(url string, poolSize int, d *dialer) (redis.UniversalClient, error) {
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = d.replyTimeout, d.replyTimeout, d.replyTimeout
	opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
	opt.PoolSize, opt.ConnMaxIdleTime, opt.Dialer = poolSize, maxIdleTime, d.dialWith(opt.TLSConfig)
	if opt.CredentialsProviderContext, err = d.credentials(opt.Username, opt.Password); err != nil {
		return nil, err
	}
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opt), nil
}

// dialSentinel creates a client that finds its master through Sentinel. The query of the
// URL names the master (master_name, required), the master's credentials (username,
// password) and further sentinels (addr). The credentials before the URL's host are those
// for the sentinels.
func dialSentinel(url string, poolSize int, d *dialer) (redis.UniversalClient, error) {
	opt, err := redis.ParseFailoverURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	if opt.MasterName == "" {
		return nil, errMaster
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = d.replyTimeout, d.replyTimeout, d.replyTimeout
	opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
	opt.PoolSize, opt.ConnMaxIdleTime, opt.Dialer = poolSize, maxIdleTime, d.dialWith(opt.TLSConfig)
	if opt.CredentialsProviderContext, err = d.credentials(opt.Username, opt.Password); err != nil {
		return nil, err
	}
	return redis.NewFailoverClient(opt), nil
}

// dialCluster creates a client for a Cluster. The parameter addr in the URL's query may name
// further nodes. This client repeats commands even with MaxRetries -1, so scripts are sent as
// commands of type `once`.
func dialCluster(url string, poolSize int, d *dialer) (redis.UniversalClient, error) {
	opt, err := redis.ParseClusterURL(url)
	if err != nil {
		return nil, redactURL(err)
	}
	opt.MaxRetries = -1
	opt.DialTimeout, opt.DialerRetries = dialTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = d.replyTimeout, d.replyTimeout, d.replyTimeout
	opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
	opt.PoolSize, opt.ConnMaxIdleTime, opt.Dialer = poolSize, maxIdleTime, d.dialWith(opt.TLSConfig)
	if opt.CredentialsProviderContext, err = d.credentials(opt.Username, opt.Password); err != nil {
		return nil, err
	}
	opt.ClusterStateReloadInterval = reloadEvery
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClusterClient(opt), nil
}

// redactURL returns an error with only the library's reason, such as "invalid database
// number". It omits the text after the colon, which may be a part of a password that was
// not percent-encoded.
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
