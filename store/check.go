package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// metaKey holds what may never change for the life of the data.
const metaKey = "fg:meta"

// minimumMajor is the oldest Redis that takes scripts with their own header line.
const minimumMajor = 7

// Kinds of servers besides a single one, as a URL and the server itself name them.
const (
	sentinel = "sentinel"
	cluster  = "cluster"
)

// check finds out what the server is and refuses one that would lose commands.
func (s *Store) check(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reaching Redis: %w", err)
	}
	if s.Embedded() {
		s.log.Warn("the store is embedded: its data ends with the process")
		return s.checkMeta(ctx)
	}
	if err := s.eachMaster(ctx, s.checkServer); err != nil {
		return err
	}
	return s.checkMeta(ctx)
}

// eachMaster calls f with every server that takes writes.
func (s *Store) eachMaster(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	if nodes, ok := s.client.(*redis.ClusterClient); ok {
		return nodes.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return f(ctx, master) })
	}
	return f(ctx, s.client)
}

func (s *Store) checkServer(ctx context.Context, server redis.Cmdable) error {
	text, err := server.Info(ctx, "server", "memory", "persistence").Result()
	if err != nil {
		return fmt.Errorf("asking Redis what it is: %w", err)
	}
	facts := parseInfo(text)
	if err := fit(facts, s.kind); err != nil {
		return err
	}
	if facts["aof_enabled"] != "1" {
		s.log.Warn("the append only file of Redis is off: accepted commands are lost when it dies")
	}
	s.log.Info("store connected", "version", facts["redis_version"], "mode", s.mode(facts),
		"appendonly", facts["aof_enabled"] == "1", "maxmemory", facts["maxmemory_human"])
	return nil
}

// fit refuses a server that a queue cannot be kept on, or not over a URL of
// this kind.
func fit(facts map[string]string, kind string) error {
	major, _, _ := strings.Cut(facts["redis_version"], ".")
	if n, _ := strconv.Atoi(major); n < minimumMajor {
		return fmt.Errorf("this is Redis %s, and the gateway needs %d or later", facts["redis_version"], minimumMajor)
	}
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("the maxmemory-policy of Redis is %s, which would throw commands away: set it to noeviction", policy)
	}
	switch mode := facts["redis_mode"]; {
	case mode == sentinel:
		return errors.New("this is a Sentinel and not the Redis behind it: its URL must begin with redis+sentinel://")
	case mode == cluster && kind != cluster:
		return errors.New("this Redis is a node of a Cluster: its URL must begin with redis+cluster://")
	}
	return nil
}

// checkMeta writes, at the first start, what may never change, and compares it
// at every later one. Of several instances that start at once, the first to
// write a fact decides it for all.
func (s *Store) checkMeta(ctx context.Context) error {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return fmt.Errorf("making a hash key: %w", err)
	}
	first := map[string]string{"partitions": strconv.Itoa(Partitions), "hash_key": hex.EncodeToString(fresh)}
	for field, value := range first {
		if err := s.client.HSetNX(ctx, metaKey, field, value).Err(); err != nil {
			return fmt.Errorf("writing the store's first facts: %w", err)
		}
	}
	kept, err := s.client.HGetAll(ctx, metaKey).Result()
	if err != nil {
		return fmt.Errorf("reading the store's first facts: %w", err)
	}
	if kept["partitions"] != first["partitions"] {
		return fmt.Errorf("the store was written with %s partitions and this program uses %s: its data would not be found",
			kept["partitions"], first["partitions"])
	}
	if s.hashKey, err = hex.DecodeString(kept["hash_key"]); err != nil || len(s.hashKey) != len(fresh) {
		return errors.New("the store's hash key cannot be read: fg:meta was changed by hand")
	}
	return nil
}

// Info tells what an administrator may know of the store: no address, no secret.
type Info struct {
	Version string
	Mode    string // "standalone", "sentinel", "cluster" or "embedded"
}

// Info asks the server what it is.
func (s *Store) Info(ctx context.Context) (Info, error) {
	if s.Embedded() {
		return Info{Version: "embedded", Mode: "embedded"}, nil
	}
	var facts map[string]string
	err := s.do(ctx, "info", func(ctx context.Context) error {
		text, err := s.client.Info(ctx, "server").Result()
		facts = parseInfo(text)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return Info{Version: facts["redis_version"], Mode: s.mode(facts)}, nil
}

// mode is what the server reports, but for a master that was found by Sentinel:
// it does not know of that.
func (s *Store) mode(facts map[string]string) string {
	if s.kind == sentinel {
		return sentinel
	}
	return facts["redis_mode"]
}

func parseInfo(text string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}
