package store

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// scanCount is the number of keys that one round trip of Scan examines.
const scanCount = 500

// Key is a key of a partition, taken apart.
type Key struct {
	Name      string
	Partition Partition
	Kind      string // such as "tenant", "device", "session" or "due"
	ID        string // the tenant, the id or the hash; empty for a key of the whole partition
	Part      string // the rest, such as "commands"; empty for the record itself
}

// ParseKey takes a key apart that a function of keys.go has built. It returns false for any other
// key, and for the keys of the whole store.
func ParseKey(name string) (Key, bool) {
	rest, found := strings.CutPrefix(name, "fg:{")
	if !found || len(rest) < len("00}:") || rest[2:4] != "}:" {
		return Key{}, false
	}
	p, ok := parsePartition(rest[:2])
	parts := append(strings.SplitN(rest[4:], ":", 3), "", "")
	return Key{Name: name, Partition: p, Kind: parts[0], ID: parts[1], Part: parts[2]}, ok
}

// Size returns the number of keys of all masters, including those of other programs.
func (s *Store) Size(ctx context.Context) (keys int64, err error) {
	var mu sync.Mutex
	err = s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
		n, err := server.DBSize(ctx).Result()
		mu.Lock()
		defer mu.Unlock()
		keys += n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the number of keys: %w", err)
	}
	return keys, nil
}

// Scan calls visit with all keys of the store, batch by batch, including those of other programs.
// The calls do not overlap. Each key that exists during the whole scan is visited at least once,
// and may be visited twice. An error of visit ends the scan. No request of a client may need a
// scan: its cost grows with the store.
func (s *Store) Scan(ctx context.Context, visit func(ctx context.Context, keys []string) error) error {
	var mu sync.Mutex
	return s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
		for cursor := uint64(0); ; {
			var keys []string
			var next uint64
			err := Retry(ctx, func() error {
				return s.do(ctx, "scan", func(ctx context.Context) (err error) {
					keys, next, err = server.Scan(ctx, cursor, "", scanCount).Result()
					return err
				})
			})
			if err != nil {
				return fmt.Errorf("scanning the keys: %w", err)
			}
			mu.Lock()
			err = visit(ctx, keys)
			mu.Unlock()
			if err != nil || next == 0 {
				return err
			}
			cursor = next
		}
	})
}
