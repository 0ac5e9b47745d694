package customer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
)

const (
	maxKeySetBytes = 256 << 10
	// firstFetchInterval is the minimum time between two fetches until the first one
	// succeeds. It is shorter than RefreshInterval because no token can be verified
	// until then. It still limits the load on an issuer that recovers.
	firstFetchInterval = 2 * time.Second
	minRetryAfter      = time.Second
	// longestMaxAge bounds how long tokens with an unknown key may be refused as not verifiable yet.
	longestMaxAge = time.Hour
)

// keySource holds the keys of an issuer and refreshes them. Invariant: at most one fetch
// is in flight, and at most one fetch starts in each interval, however many tokens with
// unknown key ids arrive. So the interval begins before the fetch, and the result of the
// fetch does not shorten the interval. A token with an unknown key may have been signed with a
// new one that was published within the interval. It is refused with issuer_unavailable, so
// that its user is not signed out.
//
// Fetched keys stay in use until the issuer returns other usable keys, or until maxAge has
// passed. So users are not locked out while the issuer is down or returns invalid data, and a
// withdrawn key is not trusted for ever. An empty set is believed once keys were in use: the issuer
// has withdrawn its last key. A set in which every key is ignored is not: the keys may be of a type
// that is not accepted, or spoilt on the way. Until the first fetch succeeds, the keys are those that
// the store has kept.
type keySource struct {
	apiKey     string // sent with each fetch; may be empty
	url        string // empty if the issuer publishes no keys; then nothing is fetched
	client     http.Client
	timeout    time.Duration
	interval   time.Duration
	poll       time.Duration
	maxAge     time.Duration
	allowEmpty bool // true if a secret is configured, because an empty key set is valid then
	now        func() time.Time
	log        *slog.Logger
	fetched    func(err error)

	kept *keptKeys // nil if the store keeps no keys

	held atomic.Pointer[heldKeys] // nil until the first successful fetch

	mu        sync.Mutex
	inFlight  chan struct{} // closed when the current fetch ends; nil if there is none
	nextFetch time.Time     // the earliest start of the next fetch
	state     keyHealth
	ignored   []ignoredKey // published keys whose line is in the log
}

// heldKeys are keys in use, and the time at which they were fetched last.
type heldKeys struct {
	set       *keySet
	fetchedAt time.Time
	maxAge    time.Duration // time for which a cache on the way may have kept them before
	previous  *keySet       // the keys before these; nil for none
}

// mayLack reports whether a key that is not in the set may have signed a token of this time all
// the same, because it was published after a cache on the way has kept the set. A key that was
// in the previous set is withdrawn and not new.
func (h *heldKeys) mayLack(id keyID, issuedAt time.Time) bool {
	if h == nil || id.kid == "" {
		return false
	}
	if h.previous != nil {
		if _, withdrawn := h.previous.find(id); withdrawn {
			return false
		}
	}
	return issuedAt.After(h.fetchedAt.Add(-h.maxAge)) && h.maxAge > 0
}

// keyHealth is the state of the issuer's keys.
type keyHealth struct {
	Keys      int       // number of published keys in use
	FetchedAt time.Time // time of the last successful fetch; zero before the first
	Failures  int       // number of failed fetches since FetchedAt
	LastError error     // error of the last fetch, for the log only; nil if it succeeded
}

func newKeySource(cfg Config) *keySource {
	s := &keySource{
		apiKey:     cfg.APIKey,
		url:        cfg.JWKSURL,
		client:     *cfg.HTTPClient,
		timeout:    cfg.FetchTimeout,
		interval:   cfg.RefreshInterval,
		poll:       cfg.PollInterval,
		maxAge:     cfg.MaxKeyAge,
		allowEmpty: len(cfg.HS256Secret) > 0,
		now:        cfg.Now,
		log:        cfg.Logger,
		fetched:    cfg.Fetched,
	}
	// Redirects are not followed, because keys are accepted only from the configured URL.
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if s.url == "" {
		s.held.Store(&heldKeys{set: &keySet{}})
	}
	return s
}

// current returns the keys in use. It returns nil if there are none, or if they are too old.
func (s *keySource) current() *keySet {
	held := s.held.Load()
	if held == nil || s.url != "" && s.now().Sub(held.fetchedAt) > s.maxAge {
		return nil
	}
	return held.set
}

// find returns the key with the given id and the set that contains this key. An unknown
// id may belong to a new key. So find fetches the keys again before it returns an error,
// if the minimum interval between two fetches has passed.
func (s *keySource) find(ctx context.Context, id keyID) (key, *keySet, error) {
	if set := s.current(); set != nil {
		if found, ok := set.find(id); ok {
			return found, set, nil
		}
	}
	fetched, err := s.refresh(ctx)
	if err != nil {
		return key{}, nil, s.unavailable(err)
	}
	set := s.current()
	if set == nil {
		return key{}, nil, s.unavailable(nil)
	}
	found, ok := set.find(id)
	switch {
	case ok:
		return found, set, nil
	case s.url != "" && id.kid != "" && (!fetched || s.health().LastError != nil):
		return key{}, nil, s.unknownYet()
	}
	return key{}, nil, refuse(errUnknownKey)
}

// refresh fetches the keys or waits for the fetch in flight, and reports whether it did. It
// does nothing if the minimum interval between two fetches has not passed. It returns an error
// only if the context ends first.
func (s *keySource) refresh(ctx context.Context) (fetched bool, err error) {
	fetch := s.startOrJoin(ctx)
	if fetch == nil {
		return false, nil
	}
	select {
	case <-fetch:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for the issuer's keys: %w", ctx.Err())
	}
}

// startOrJoin returns a channel that is closed when the current fetch ends. It starts a
// fetch if none is in flight and the minimum interval between two fetches has passed. It
// returns nil if there is no fetch to wait for.
func (s *keySource) startOrJoin(ctx context.Context) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight != nil {
		return s.inFlight
	}
	started := s.now()
	if s.url == "" || started.Before(s.nextFetch) {
		return nil
	}
	s.nextFetch = started.Add(s.cooldown())
	s.inFlight = make(chan struct{})
	// Other callers wait for this fetch too, so it must outlive the first caller's
	// context.
	go s.fetch(context.WithoutCancel(ctx), started)
	return s.inFlight
}

func (s *keySource) cooldown() time.Duration {
	if s.current() == nil {
		return min(firstFetchInterval, s.interval)
	}
	return s.interval
}

func (s *keySource) fetch(ctx context.Context, started time.Time) {
	response, err := s.download(ctx)
	var kept *heldKeys
	if err != nil {
		kept = s.loadKept(ctx)
	}
	if fetched := s.settle(response, kept, err, started); fetched != nil {
		s.saveKept(ctx, *fetched)
	}
}

// settle ends the fetch in flight. It returns the keys that were fetched, or nil after a failed
// fetch. Then the keys that the store has kept are used, if there are some.
func (s *keySource) settle(response keyResponse, kept *heldKeys, err error, started time.Time) (fetched *heldKeys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.accept(response, started)
	}
	if err == nil {
		fetched = s.held.Load()
	} else {
		s.recordFailure(err)
		s.useKept(kept)
	}
	s.fetched(err)
	close(s.inFlight)
	s.inFlight = nil
	return fetched
}

// loadKept returns the keys that the store has kept. It returns nil if there are keys in use, or
// if the kept ones cannot be used.
func (s *keySource) loadKept(ctx context.Context) *heldKeys {
	if s.kept == nil || s.current() != nil {
		return nil
	}
	held, err := s.kept.load(ctx)
	switch {
	case err == nil && s.now().Sub(held.fetchedAt) > s.maxAge:
		s.log.WarnContext(ctx, "not using the issuer's keys that the store has kept, because they are too old", "fetchedAt", held.fetchedAt)
	case err == nil:
		return &held
	case !wasNeverKept(err):
		s.log.WarnContext(ctx, "not using the issuer's keys that the store has kept", "error", err)
	}
	return nil
}

// useKept uses the keys that the store has kept. It does nothing if kept is nil.
func (s *keySource) useKept(kept *heldKeys) {
	if kept == nil {
		return
	}
	s.held.Store(kept)
	s.state.Keys, s.state.FetchedAt = len(kept.set.keys), kept.fetchedAt
	s.log.Warn("using the issuer's keys that the store has kept, because the issuer does not return them",
		"keys", len(kept.set.keys), "age", s.now().Sub(kept.fetchedAt).Round(time.Second).String())
}

// saveKept keeps the keys in the store.
func (s *keySource) saveKept(ctx context.Context, held heldKeys) {
	if s.kept == nil {
		return
	}
	if err := s.kept.save(ctx, held, s.maxAge); err != nil {
		s.log.WarnContext(ctx, "keeping the issuer's keys in the store failed", "error", err)
	}
}

// keyResponse is a response of the issuer.
type keyResponse struct {
	set             *keySet
	maxAge          time.Duration // of the header Cache-Control, at most longestMaxAge; 0 if there is none
	date            time.Time     // of the header Date; zero if there is none
	certificateEnds time.Time     // end of the issuer's certificate; zero without TLS
}

func (s *keySource) download(ctx context.Context) (keyResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return keyResponse{}, fmt.Errorf("creating the request for the keys: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if s.apiKey != "" {
		request.Header.Set(APIKeyHeader, s.apiKey)
	}
	request.Close = true // on a reused connection, the transport may send a request twice
	response, err := s.client.Do(request)
	if err != nil {
		return keyResponse{}, fmt.Errorf("fetching the keys: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return readKeyResponse(response)
}

func readKeyResponse(response *http.Response) (read keyResponse, err error) {
	if response.StatusCode != http.StatusOK {
		return read, fmt.Errorf("fetching the keys: the issuer responded with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return read, fmt.Errorf("reading the keys: %w", err)
	}
	if len(body) > maxKeySetBytes {
		return read, fmt.Errorf("the issuer's response is longer than %d bytes", maxKeySetBytes)
	}
	read.maxAge = maxAgeOf(response.Header)
	read.date, _ = http.ParseTime(response.Header.Get("Date"))
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		read.certificateEnds = response.TLS.PeerCertificates[0].NotAfter
	}
	read.set, err = parseKeySet(body)
	return read, err
}

// maxAgeOf returns the time for which a cache may keep a response. A response from a cache need not
// say how old it is (RFC 9111, section 5.1).
func maxAgeOf(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		if seconds, found := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); found {
			n, _ := strconv.ParseUint(seconds, 10, 32) // 0 if it is not a number
			return min(time.Duration(n)*time.Second, longestMaxAge)
		}
	}
	return 0
}

// accept puts a fetched set into use. If its keys equal those in use, the old set stays
// in use and cached tokens stay valid. Otherwise all cached tokens are verified again,
// and tokens of a withdrawn key are refused. A set that is not believed is an error.
func (s *keySource) accept(response keyResponse, started time.Time) error {
	set, current := response.set, s.current()
	next := &heldKeys{set: set, fetchedAt: s.now(), maxAge: response.maxAge, previous: current}
	s.logIgnored(set.ignored)
	if !s.believes(set, current) {
		return errNoUsableKeys
	}
	if current != nil && current.equal(set) {
		next.set, next.previous = current, s.held.Load().previous
	} else {
		s.logReplaced(current, set)
	}
	s.held.Store(next)
	s.nextFetch = started.Add(s.interval)
	s.state = keyHealth{Keys: len(set.keys), FetchedAt: s.now()}
	return nil
}

// believes reports whether a fetched set may replace the current one, which is nil if there is none.
// A first set without usable keys may be used only if a secret is configured: otherwise no token
// could be verified.
func (s *keySource) believes(set, current *keySet) bool {
	switch {
	case len(set.keys) > 0:
		return true
	case current == nil:
		return s.allowEmpty
	}
	return len(set.ignored) == 0 || len(current.keys) == 0
}

func (s *keySource) logReplaced(current, set *keySet) {
	if len(set.keys) == 0 && current != nil {
		s.log.Warn("the issuer has withdrawn all its keys; refusing the tokens that were signed with them")
		return
	}
	s.log.Info("replaced the issuer's keys", "keys", len(set.keys))
}

// logIgnored logs the published keys that are not used. It logs them once, until another key
// is ignored: otherwise every fetch would repeat the lines.
func (s *keySource) logIgnored(ignored []ignoredKey) {
	for _, key := range ignored {
		if !slices.Contains(s.ignored, key) {
			s.log.Warn("ignored a key of the issuer", "kid", key.kid, "reason", key.reason)
		}
	}
	s.ignored = ignored
}

func (s *keySource) recordFailure(err error) {
	s.state.Failures++
	s.state.LastError = err
	if s.current() == nil {
		s.state.Keys = 0
	}
	s.log.Warn("fetching the issuer's keys failed",
		"error", err, "failures", s.state.Failures, "keys_kept", s.state.Keys)
}

func (s *keySource) health() keyHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// untilNextPoll returns the time until Run fetches the keys again.
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

// unknownYet returns the error for a token whose key is unknown and may be new.
func (s *keySource) unknownYet() error {
	return &fieldgate.Error{
		Code:       fieldgate.CodeIssuerUnavailable,
		Detail:     "The key of the access token is not known yet. Try again later.",
		RetryAfter: s.untilNextFetch(),
		Reason:     fieldgate.ReasonUnknownKey,
		Cause:      errUnknownKey,
	}
}

// unavailable returns the error for a token that cannot be verified because no keys are
// available. The cause may be nil.
func (s *keySource) unavailable(cause error) error {
	return &fieldgate.Error{
		Code:       fieldgate.CodeIssuerUnavailable,
		Detail:     "Access tokens cannot be verified now, because their issuer does not respond. Try again later.",
		RetryAfter: s.untilNextFetch(),
		Cause:      errors.Join(cause, s.health().LastError),
	}
}
