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

// metaKey is the key of a Redis hash. It holds the number of partitions and the secret
// key for keyed hashes. Neither may change while the data exists.
const metaKey = "fg:meta"

// minimumMajor is the oldest major version of Redis that accepts "#!lua" scripts.
const minimumMajor = 7

// These are the kinds of Redis other than a single server. The scheme of a URL and the
// field redis_mode of INFO use the same words.
const (
	sentinel = "sentinel"
	cluster  = "cluster"
)

// check connects to the server. It returns an error for a server that the gateway must
// not use, such as one that may evict keys.
func (s *Store) check(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reaching Redis: %w", err)
	}
	if s.Embedded() {
		s.log.Warn("using the embedded store: its data ends with this process")
		return s.checkMeta(ctx)
	}
	if err := s.eachMaster(ctx, s.checkServer); err != nil {
		return err
	}
	return s.checkMeta(ctx)
}

// eachMaster calls f with the client of every server that accepts writes.
func (s *Store) eachMaster(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	if nodes, ok := s.client.(*redis.ClusterClient); ok {
		return nodes.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return f(ctx, master) })
	}
	return f(ctx, s.client)
}

func (s *Store) checkServer(ctx context.Context, server redis.Cmdable) error {
	text, err := server.Info(ctx, "server", "memory", "persistence").Result()
	if err != nil {
		return fmt.Errorf("reading INFO of Redis: %w", err)
	}
	info := parseInfo(text)
	if err := checkInfo(info, s.kind); err != nil {
		return err
	}
	if info["aof_enabled"] != "1" {
		s.log.Warn("found the append-only file of Redis off: accepted commands are lost when Redis crashes")
	}
	s.log.Info("connected to the store", "version", info["redis_version"], "mode", s.mode(info),
		"appendonly", info["aof_enabled"] == "1", "maxmemory", info["maxmemory_human"])
	return nil
}

// checkInfo returns an error if a server is too old or may evict keys. It also returns an
// error for a Sentinel, and for a node of a Cluster unless kind is cluster.
func checkInfo(info map[string]string, kind string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	if n, _ := strconv.Atoi(major); n < minimumMajor {
		return fmt.Errorf("the server is Redis %s: the gateway needs Redis %d or later", info["redis_version"], minimumMajor)
	}
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("the maxmemory-policy of Redis is %s, which evicts commands: set it to noeviction", policy)
	}
	switch mode := info["redis_mode"]; {
	case mode == sentinel:
		return errors.New("the server is a Sentinel and not the Redis behind it: its URL must begin with redis+sentinel://")
	case mode == cluster && kind != cluster:
		return errors.New("the server is a node of a Redis Cluster: its URL must begin with redis+cluster://")
	}
	return nil
}

// checkMeta returns an error if the number of partitions in metaKey differs from Partitions.
func (s *Store) checkMeta(ctx context.Context) error {
	stored, err := s.readMeta(ctx)
	if err != nil {
		return err
	}
	if partitions := strconv.Itoa(Partitions); stored["partitions"] != partitions {
		return fmt.Errorf("the store was written with %s partitions and this program uses %s: it would not find the data",
			stored["partitions"], partitions)
	}
	if s.hashKey, err = hex.DecodeString(stored["hash_key"]); err != nil || len(s.hashKey) != hashKeyBytes {
		return errors.New("the hash key of the store cannot be read: fg:meta was changed by hand")
	}
	return nil
}

// hashKeyBytes is the length of the generated hash key in bytes.
const hashKeyBytes = 32

// readMeta returns the values of metaKey, and writes those that are missing. It writes nothing
// else: a write fails in a full store, and an instance must be able to start with one.
func (s *Store) readMeta(ctx context.Context) (map[string]string, error) {
	stored, err := s.client.HGetAll(ctx, metaKey).Result()
	if err == nil && (stored["partitions"] == "" || stored["hash_key"] == "") {
		if err := s.writeMeta(ctx); err != nil {
			return nil, err
		}
		stored, err = s.client.HGetAll(ctx, metaKey).Result()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", metaKey, err)
	}
	return stored, nil
}

// writeMeta writes the values of metaKey that are missing. When several instances start at
// once, all of them use the values that were written first.
func (s *Store) writeMeta(ctx context.Context) error {
	fresh := make([]byte, hashKeyBytes)
	if _, err := rand.Read(fresh); err != nil {
		return fmt.Errorf("generating a hash key: %w", err)
	}
	for field, value := range map[string]string{"partitions": strconv.Itoa(Partitions), "hash_key": hex.EncodeToString(fresh)} {
		if err := s.client.HSetNX(ctx, metaKey, field, value).Err(); err != nil {
			return fmt.Errorf("writing %s of %s: %w", field, metaKey, err)
		}
	}
	return nil
}

// Info describes the store to an administrator. It holds no address and no secret.
type Info struct {
	Version string
	Mode    string // "standalone", "sentinel", "cluster" or "embedded"
}

// Info reads the version and the mode of the server.
func (s *Store) Info(ctx context.Context) (Info, error) {
	if s.Embedded() {
		return Info{Version: "embedded", Mode: "embedded"}, nil
	}
	var info map[string]string
	err := s.do(ctx, "info", func(ctx context.Context) error {
		text, err := s.client.Info(ctx, "server").Result()
		info = parseInfo(text)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return Info{Version: info["redis_version"], Mode: s.mode(info)}, nil
}

// mode returns the mode that the server reports. It returns "sentinel" if the store found
// the server through Sentinel, because a master does not know whether Sentinel monitors
// it.
func (s *Store) mode(info map[string]string) string {
	if s.kind == sentinel {
		return sentinel
	}
	return info["redis_mode"]
}

// parseInfo parses the reply to INFO into its fields.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}
