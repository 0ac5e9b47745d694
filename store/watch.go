package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
)

// watchEvery is the interval between two checks of the servers.
const watchEvery = 30 * time.Second

// Problem names what may be wrong with a server that was right when the gateway started.
type Problem string

// The problems that Watch looks for. A failover to a server with another configuration can
// cause the first three, a restart of Redis the fourth, and a later version of the gateway the
// last one.
const (
	ProblemEviction    Problem = "eviction"    // the server may evict keys
	ProblemPersistence Problem = "persistence" // the server writes no append-only file
	ProblemReplica     Problem = "replica"     // the server is a replica and refuses writes
	ProblemLoss        Problem = "loss"        // the server has lost what scripts wrote
	ProblemSchema      Problem = "schema"      // this version cannot read the data
)

// Problems lists all problems.
var Problems = []Problem{ProblemEviction, ProblemPersistence, ProblemReplica, ProblemLoss, ProblemSchema}

// Watch checks the servers at an interval until the context ends. It logs each problem when it
// begins and when it ends, and passes the state of all problems to Config.Problem.
func (s *Store) Watch(ctx context.Context) {
	for found := map[Problem]error{}; ctx.Err() == nil; Sleep(ctx, s.watchEvery) {
		now, err := s.findProblems(ctx)
		if err != nil {
			s.log.DebugContext(ctx, "checking the servers failed", "error", err)
			continue
		}
		s.noteProblems(ctx, found, now)
		found = now
	}
}

// findProblems checks all masters. The error of a problem describes it.
func (s *Store) findProblems(ctx context.Context) (map[Problem]error, error) {
	found := map[Problem]error{}
	if s.Embedded() {
		return found, nil
	}
	err := s.do(ctx, "check", func(ctx context.Context) error {
		if err := s.findServerProblems(ctx, found); err != nil {
			return err
		}
		stored, err := s.readMeta(ctx)
		if err != nil {
			return err
		}
		found[ProblemSchema] = stored.checkSchema()
		err = s.checkCanary(ctx, stored)
		if errors.Is(err, errCanaryLost) {
			found[ProblemLoss], err = err, nil
		}
		return err
	})
	return found, err
}

func (s *Store) findServerProblems(ctx context.Context, found map[Problem]error) error {
	var mu sync.Mutex
	return s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
		info, err := readInfo(ctx, server)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		found[ProblemEviction] = errors.Join(found[ProblemEviction], checkEviction(info))
		if !persists(info) {
			found[ProblemPersistence] = errNotPersistent
		}
		if err := checkRole(info); err != nil {
			found[ProblemReplica] = err
		}
		return nil
	})
}

// errTooNew is the refusal of every operation while TooNew.
var errTooNew = &fieldgate.Error{
	Code:       fieldgate.CodeStoreUnavailable,
	Detail:     "This instance of the gateway is too old for its store. No accepted command is lost. Try again shortly.",
	RetryAfter: time.Second,
}

// TooNew reports whether the last check of Watch has found data that only later versions of the
// gateway can read. The instance then does not use the store: Run and Do refuse, and the sweeper and the
// reconciler do nothing.
func (s *Store) TooNew() bool { return s.paused.Load() }

// noteProblems reports what has changed between two checks.
func (s *Store) noteProblems(ctx context.Context, before, now map[Problem]error) {
	s.paused.Store(now[ProblemSchema] != nil)
	for _, problem := range Problems {
		s.problem(problem, now[problem] != nil)
		switch {
		case now[problem] != nil && before[problem] == nil:
			s.log.ErrorContext(ctx, "found a problem of the store", "problem", problem, "error", now[problem])
		case now[problem] == nil && before[problem] != nil:
			s.log.InfoContext(ctx, "a problem of the store ended", "problem", problem)
		}
	}
}
