package customer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
)

const (
	maxKeySetBytes = 256 << 10
	// While nothing has been fetched yet no token can be judged, so that the
	// next try comes sooner than RefreshInterval. It still bounds what an
	// issuer that comes back has to bear.
	firstFetchInterval = 2 * time.Second
	minRetryAfter      = time.Second
)

// keySource holds the keys of an issuer and fetches them anew.
//
// What must stay true: at most one fetch is under way, and at most one begins
// in each interval, however many tokens with however many unknown key ids
// arrive. So the interval is claimed before the fetch begins, and neither the
// fetch's outcome nor what it brings gives it back. The price is that the first
// tokens of a new key may be refused for up to an interval, unless the issuer
// publishes a key before it signs with it.
//
// Keys once fetched stay in use until the issuer answers with other usable
// ones: an issuer that is down, or answers nonsense, locks nobody out.
type keySource struct {
	url        string // empty: nothing is published, and nothing is ever fetched
	client     http.Client
	timeout    time.Duration
	interval   time.Duration
	poll       time.Duration
	allowEmpty bool // a secret is configured, so that an empty set is an answer too
	now        func() time.Time
	log        *slog.Logger

	set atomic.Pointer[keySet] // nil until the first good answer

	mu        sync.Mutex
	underWay  chan struct{} // closed when the fetch under way ends; nil when none is
	nextFetch time.Time     // no fetch begins before
	state     Health
}

// Health tells how the issuer's keys stand.
type Health struct {
	Keys      int       // how many published keys are in use
	FetchedAt time.Time // when the issuer last answered with usable keys; zero if it never did
	Failures  int       // how many fetches failed since then
	LastError error     // why the last one failed, for the log only; nil after a good one
}

func newKeySource(cfg Config) *keySource {
	s := &keySource{
		url:        cfg.JWKSURL,
		client:     *cfg.HTTPClient,
		timeout:    cfg.FetchTimeout,
		interval:   cfg.RefreshInterval,
		poll:       cfg.PollInterval,
		allowEmpty: len(cfg.HS256Secret) > 0,
		now:        cfg.Now,
		log:        cfg.Logger,
	}
	// The keys come from the configured address or not at all.
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if s.url == "" {
		s.set.Store(&keySet{})
	}
	return s
}

func (s *keySource) current() *keySet { return s.set.Load() }

// find gives the key of an id and the set it is in. An id that is not known
// may be that of a new key, so the keys are fetched anew before it is refused,
// as far as the interval allows.
func (s *keySource) find(ctx context.Context, id keyID) (key, *keySet, error) {
	if set := s.current(); set != nil {
		if found, ok := set.find(id); ok {
			return found, set, nil
		}
	}
	if err := s.refresh(ctx); err != nil {
		return key{}, nil, s.unavailable(err)
	}
	set := s.current()
	if set == nil {
		return key{}, nil, s.unavailable(nil)
	}
	found, ok := set.find(id)
	if !ok {
		return key{}, nil, refuse(errUnknownKey)
	}
	return found, set, nil
}

// refresh fetches the keys, or waits for a fetch that is under way, or does
// nothing when it is too early. Its error means that the context ended first.
func (s *keySource) refresh(ctx context.Context) error {
	fetch := s.startOrJoin(ctx)
	if fetch == nil {
		return nil
	}
	select {
	case <-fetch:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the issuer's keys: %w", ctx.Err())
	}
}

// startOrJoin gives the end of the fetch to wait for, and nil for none.
func (s *keySource) startOrJoin(ctx context.Context) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay != nil {
		return s.underWay
	}
	started := s.now()
	if s.url == "" || started.Before(s.nextFetch) {
		return nil
	}
	s.nextFetch = started.Add(s.cooldown())
	s.underWay = make(chan struct{})
	// Many callers wait for this fetch; the first one giving up must not end it.
	go s.fetch(context.WithoutCancel(ctx), started)
	return s.underWay
}

func (s *keySource) cooldown() time.Duration {
	if s.current() == nil {
		return min(firstFetchInterval, s.interval)
	}
	return s.interval
}

func (s *keySource) fetch(ctx context.Context, started time.Time) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	set, err := s.download(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.accept(set, started)
	}
	if err != nil {
		s.recordFailure(err)
	}
	close(s.underWay)
	s.underWay = nil
}

func (s *keySource) download(ctx context.Context) (*keySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("making the request for the keys: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Close = true // on a connection that was used before, a transport may ask twice by itself
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching the keys: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching the keys: the issuer answered %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	if len(body) > maxKeySetBytes {
		return nil, fmt.Errorf("the issuer's answer is longer than %d bytes", maxKeySetBytes)
	}
	return parseKeySet(body)
}

// accept takes a set into use. The same keys keep the set that is in use, and
// with it the verified tokens that are remembered; other keys make all of them
// be verified again, those of a withdrawn key in vain. An empty set never
// replaces one with keys.
func (s *keySource) accept(set *keySet, started time.Time) error {
	current := s.current()
	if len(set.keys) == 0 && (current != nil && len(current.keys) > 0 || !s.allowEmpty) {
		return errNoUsableKeys
	}
	if current == nil || !current.equal(set) {
		s.set.Store(set)
		s.log.Info("the issuer's keys changed", "keys", len(set.keys))
	}
	s.nextFetch = started.Add(s.interval)
	s.state = Health{Keys: len(set.keys), FetchedAt: s.now()}
	return nil
}

func (s *keySource) recordFailure(err error) {
	s.state.Failures++
	s.state.LastError = err
	s.log.Warn("the issuer's keys could not be fetched",
		"error", err, "failures", s.state.Failures, "keys_kept", s.state.Keys)
}

func (s *keySource) health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// untilNextPoll is the time to the next fetch that nobody asked for.
func (s *keySource) untilNextPoll() time.Duration {
	if s.health().LastError == nil {
		return s.poll
	}
	return s.untilNextFetch()
}

func (s *keySource) untilNextFetch() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.nextFetch.Sub(s.now()), minRetryAfter)
}

// unavailable says that no token can be judged for now; cause may be nil.
func (s *keySource) unavailable(cause error) error {
	return &fieldgate.Error{
		Code:       fieldgate.CodeIssuerUnavailable,
		Detail:     "Access tokens cannot be verified for the moment, because their issuer does not answer.",
		RetryAfter: s.untilNextFetch(),
		Cause:      errors.Join(cause, s.health().LastError),
	}
}
