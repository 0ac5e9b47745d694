package store

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
)

// These are shares of maxmemory. The store becomes full at fullFrom and stays full until
// it uses less than fullUntil. The memory above fullFrom is left for scripts that end or
// free something.
const (
	fullFrom  = 0.85
	fullUntil = 0.80
)

// memoryEvery is the interval between two reads of the used memory.
const memoryEvery = time.Second

// errStoreFull is the refusal of a script that would create something in a full store.
var errStoreFull = &fieldgate.Error{
	Code:       fieldgate.CodeStoreFull,
	Detail:     "The store is full: nothing new is accepted until it has drained. Results, cancellations and reads are served. Try again later.",
	RetryAfter: 30 * time.Second,
}

// Full reports whether scripts that create something are refused.
func (s *Store) Full() bool { return s.full.Load() }

// WatchMemory compares the memory of the server with its maxmemory until the context
// ends. On a Cluster, the fullest master decides, because any tenant may be on that
// master. A server without maxmemory is never full. A failed read does not change the
// state.
func (s *Store) WatchMemory(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.readMemory(ctx); err != nil && ctx.Err() == nil {
			s.log.Debug("reading the memory of Redis failed", "error", err)
		}
		Sleep(ctx, memoryEvery)
	}
}

func (s *Store) readMemory(ctx context.Context) error {
	if s.Embedded() {
		return nil
	}
	var mu sync.Mutex
	var highest float64
	err := s.do(ctx, "memory", func(ctx context.Context) error {
		return s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
			text, err := server.Info(ctx, "memory").Result()
			mu.Lock()
			defer mu.Unlock()
			highest = max(highest, usedShare(parseInfo(text)))
			return err
		})
	})
	if err != nil {
		return err
	}
	s.memory(highest)
	s.noteShare(highest)
	return nil
}

// usedShare returns the share of maxmemory that is used, or zero if the server has no
// maxmemory.
func usedShare(info map[string]string) float64 {
	used, _ := strconv.ParseFloat(info["used_memory"], 64)
	limit, _ := strconv.ParseFloat(info["maxmemory"], 64)
	if limit <= 0 {
		return 0
	}
	return used / limit
}

func (s *Store) noteShare(share float64) {
	switch {
	case share >= fullFrom && s.full.CompareAndSwap(false, true):
		s.log.Error("found the store full: new commands, sessions, devices and codes are refused", "used", share, "from", fullFrom)
	case share < fullUntil && s.full.CompareAndSwap(true, false):
		s.log.Info("found the store drained: new commands are accepted again", "used", share)
	}
}
