package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/recent"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// place is the device of a session, and when the session ends at the latest. Neither ever changes, so an
// instance remembers them. They may be remembered longer than the session is kept. A remembered place is
// therefore only for a script that checks the session, and for a command that names it.
type place struct {
	store.Device
	ends time.Time
}

const (
	locatedSessions = 100_000 // maximum number of remembered sessions, at about 275 bytes each
	locatedShare    = 25_000  // maximum number that a tenant adds in locatedTurn
	locatedTurn     = 10 * time.Minute
)

func newLocated() *recent.Map[place] {
	return recent.New[place](recent.Config{Entries: locatedSessions, PerOwner: locatedShare, Turn: locatedTurn})
}

// recall returns the place of a session of the tenant, if this instance remembers it.
func (q *Queue) recall(tenant, sessionID string) (place, bool) {
	at, found := q.located.Get(sessionID)
	return at, found && at.Tenant == tenant
}

// recallNow does the same as recall. It also returns the time by the store's clock, as it was read
// lately and has advanced since. It returns false if the clock must be read again.
func (q *Queue) recallNow(tenant, sessionID string) (at place, now time.Time, found bool) {
	now, set := q.clock.now()
	if !set {
		return place{}, time.Time{}, false
	}
	at, found = q.recall(tenant, sessionID)
	return at, now, found
}

// locate returns the place of a session. It returns session_not_found for an unknown
// session and for a session of another tenant.
func (q *Queue) locate(ctx context.Context, tenant, sessionID string) (place, error) {
	if !store.OwnsID(tenant, store.KindSession, sessionID) {
		return place{}, errSessionNotFound
	}
	var found []any
	err := q.store.Do(ctx, "locate_session", func(ctx context.Context, c store.Client) (err error) {
		found, err = c.HMGet(ctx, store.SessionKey(sessionID), sessionPlace...).Result()
		return err
	})
	if err != nil {
		return place{}, fmt.Errorf("reading the session: %w", err)
	}
	at, err := placeOf(found, tenant)
	if err == nil {
		q.located.Add(tenant, sessionID, at)
	}
	return at, err
}

// locateNow does the same as locate. It also returns the time by the store's clock. In a cluster it
// may be the clock of any node, because TIME names no key.
func (q *Queue) locateNow(ctx context.Context, tenant, sessionID string) (at place, now time.Time, err error) {
	if !store.OwnsID(tenant, store.KindSession, sessionID) {
		return place{}, time.Time{}, errSessionNotFound
	}
	var found []any
	err = q.store.Do(ctx, "locate_session", func(ctx context.Context, c store.Client) error {
		sent := time.Now()
		pipe := c.Pipeline()
		owner, clock := pipe.HMGet(ctx, store.SessionKey(sessionID), sessionPlace...), pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		found, now = owner.Val(), clock.Val()
		if err == nil {
			q.clock.set(now, sent)
		}
		return err
	})
	if err != nil {
		return place{}, time.Time{}, fmt.Errorf("reading the session: %w", err)
	}
	at, err = placeOf(found, tenant)
	if err == nil {
		q.located.Add(tenant, sessionID, at)
	}
	return at, now, err
}

// sessionPlace names the fields of a session that placeOf reads.
var sessionPlace = []string{"tenant", "device", "expires"}

// placeOf returns the place of a session. It returns session_not_found if the session does not exist or
// belongs to another tenant.
func placeOf(session store.Reply, tenant string) (place, error) {
	owner, device := session.String(0), session.String(1)
	if owner != tenant || device == "" {
		return place{}, errSessionNotFound
	}
	return place{Device: store.Device{Tenant: tenant, ID: device}, ends: store.ParseTime(session.String(2))}, nil
}

var errSessionNotFound = refusal.New(fieldgate.CodeSessionNotFound)

// storeClock is the store's clock, as it was read lately. It advances with the monotonic clock of
// this machine, so that setting the time of day does not change it. It is safe for concurrent use.
type storeClock struct {
	mu     sync.Mutex
	read   time.Time // the time by the store's clock
	readAt time.Time // when it was read
}

const (
	// clockFor is the time for which a reading of the store's clock is used. The script of a
	// proposal refuses a time that differs much from its own, and the clock is then read again.
	clockFor = 30 * time.Second

	// clockError is the maximum error of a reading that is used again: it may be as old as the
	// round trip was long.
	clockError = 100 * time.Millisecond
)

// set sets the clock to a reading that was requested at the given time. It ignores one that took
// too long.
func (c *storeClock) set(reading, requested time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(requested) <= clockError {
		c.read, c.readAt = reading, now
	}
}

// now returns the time by the store's clock. It returns false if the clock was not read lately.
func (c *storeClock) now() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := time.Since(c.readAt)
	return c.read.Add(elapsed), elapsed < clockFor
}

// forget discards the reading, so that the next use reads the clock again.
func (c *storeClock) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Time{}
}
