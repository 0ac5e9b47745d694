package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Facts describes a store and its servers, for an operator who has restored it.
type Facts struct {
	ID      string    // as FIELDGATE_STORE_ID has it; empty for the store of an earlier version
	Kind    string    // "production" or "development"; empty for the store of an earlier version
	Schema  string    // schema of the data; empty for the store of an earlier version
	Reader  int       // least schema that a program must know to read the data; zero for the store of an earlier version
	Canary  time.Time // time at which the canary was first written; zero for the store of an earlier version
	Now     time.Time // time by the clock of the store
	Servers []ServerFacts
}

// ServerFacts describes one server that accepts writes.
type ServerFacts struct {
	Version  string
	Replica  bool // the server is a replica and refuses writes
	Persists bool // the server writes an append-only file
	Rewrites bool // the server writes its data to a new append-only file now
	Keys     int64
}

// Inspect reads the facts of the store. Connect has checked the rest: it refuses a store with another
// id, a later schema or a lost canary, and a server that evicts keys or still loads its data.
func (s *Store) Inspect(ctx context.Context) (Facts, error) {
	stored, err := s.readMeta(ctx)
	if err != nil {
		return Facts{}, err
	}
	facts := Facts{ID: stored["store_id"], Kind: stored["kind"], Schema: stored["schema"], Reader: stored.leastReader(), Canary: ParseTime(stored[fieldCanary])}
	if facts.Now, err = s.client.Time(ctx).Result(); err != nil {
		return Facts{}, fmt.Errorf("reading the clock of Redis: %w", err)
	}
	var mu sync.Mutex
	err = s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
		found, err := inspectServer(ctx, server)
		mu.Lock()
		defer mu.Unlock()
		facts.Servers = append(facts.Servers, found)
		return err
	})
	return facts, err
}

func inspectServer(ctx context.Context, server redis.Cmdable) (ServerFacts, error) {
	info, err := readInfo(ctx, server)
	if err != nil {
		return ServerFacts{}, err
	}
	keys, err := server.DBSize(ctx).Result()
	if err != nil {
		return ServerFacts{}, fmt.Errorf("reading the number of keys: %w", err)
	}
	return ServerFacts{
		Version: versionOf(info), Replica: info["role"] == "slave",
		Persists: persists(info), Rewrites: info["aof_rewrite_in_progress"] == "1" || info["aof_rewrite_scheduled"] == "1",
		Keys: keys,
	}, nil
}
