package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// minimumMajor is the oldest major version of Redis that accepts "#!lua" scripts.
const minimumMajor = 7

// These are the kinds of Redis other than a single server. The scheme of a URL and the
// field redis_mode of INFO use the same words.
const (
	sentinel = "sentinel"
	cluster  = "cluster"
)

// check connects to the server and loads the sets into it. It returns an error for a server that
// the gateway must not use, such as one that may evict keys.
func (s *Store) check(ctx context.Context, sets []*Scripts) error {
	if _, err := s.Ping(ctx); err != nil {
		return fmt.Errorf("reaching Redis: %w", err)
	}
	if s.Embedded() {
		s.log.Warn("using the embedded store: its data ends with this process")
		return s.checkMeta(ctx, nil)
	}
	if err := s.eachMaster(ctx, s.checkServer); err != nil {
		return err
	}
	if err := s.checkChannel(ctx); err != nil {
		return err
	}
	return s.checkMeta(ctx, sets)
}

// checkChannel returns an error if the user of Redis may not publish wake-ups. A script that
// publishes without that right fails after its writes, so that a transition would happen and
// return an error.
func (s *Store) checkChannel(ctx context.Context) error {
	if err := s.client.Publish(ctx, wakeChannel, probe).Err(); err != nil {
		return fmt.Errorf("publishing on the channel %s, as scripts do: %w", wakeChannel, err)
	}
	return nil
}

// eachMaster calls f with the client of every server that accepts writes.
func (s *Store) eachMaster(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	if nodes, ok := s.client.(*redis.ClusterClient); ok {
		return nodes.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return f(ctx, master) })
	}
	return f(ctx, s.client)
}

func (s *Store) checkServer(ctx context.Context, server redis.Cmdable) error {
	info, err := readInfo(ctx, server)
	if err != nil {
		return err
	}
	if err := checkInfo(info, s.kind); err != nil {
		return err
	}
	if err := checkEviction(info); err != nil {
		return err
	}
	if !persists(info) {
		s.log.Warn("found the append-only file of Redis off: accepted commands are lost when Redis crashes")
	}
	s.log.Info("connected to the store", "version", versionOf(info), "mode", s.mode(info),
		"appendonly", persists(info), "maxmemory", info["maxmemory_human"])
	return nil
}

func readInfo(ctx context.Context, server redis.Cmdable) (map[string]string, error) {
	text, err := server.Info(ctx, "server", "memory", "persistence", "replication", "cluster").Result()
	if err != nil {
		return nil, fmt.Errorf("reading INFO of Redis: %w", err)
	}
	return parseInfo(text), nil
}

// checkInfo returns an error if a server is too old, or if its kind differs from that of the
// URL.
func checkInfo(info map[string]string, kind string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	if n, _ := strconv.Atoi(major); n < minimumMajor {
		return fmt.Errorf("the server is Redis %s: the gateway needs Redis %d or later, or Valkey", info["redis_version"], minimumMajor)
	}
	switch mode := modeOf(info); {
	case mode == sentinel:
		return errors.New("the server is a Sentinel and not the Redis behind it: its URL must begin with redis+sentinel://")
	case mode == cluster && kind != cluster:
		return errors.New("the server is a node of a Redis Cluster: its URL must begin with redis+cluster://")
	}
	return nil
}

// checkEviction returns an error if the server may evict keys.
func checkEviction(info map[string]string) error {
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("the maxmemory-policy of Redis is %s, which evicts commands: set it to noeviction", policy)
	}
	return nil
}

// checkRole returns an error if the server is a replica, which refuses writes.
func checkRole(info map[string]string) error {
	if info["role"] == "slave" {
		return fmt.Errorf("the server is a replica of %s: promote it, or use the address of the primary", info["master_host"])
	}
	return nil
}

// errNotPersistent describes a server that writes no append-only file.
var errNotPersistent = errors.New("the append-only file of Redis is off")

// persists reports whether the server writes an append-only file.
func persists(info map[string]string) bool { return info["aof_enabled"] == "1" }

// versionOf returns the version of a server. Valkey reports the version of Redis that it is
// compatible with as redis_version, and its own under another name.
func versionOf(info map[string]string) string {
	if version := info["valkey_version"]; version != "" {
		return "Valkey " + version
	}
	return info["redis_version"]
}

// modeOf returns the mode that a server reports: standalone, sentinel or cluster. Valkey calls
// the field server_mode.
func modeOf(info map[string]string) string {
	if info["cluster_enabled"] == "1" {
		return cluster
	}
	return cmp.Or(info["redis_mode"], info["server_mode"])
}

// Info describes the store to an administrator. It holds no address and no secret.
type Info struct {
	Version string // of Redis, such as "7.2.4"; that of another server follows its name, as in "Valkey 8.0.1"
	Mode    string // "standalone", "sentinel", "cluster" or "embedded"
}

// Info reads the version and the mode of the server.
func (s *Store) Info(ctx context.Context) (Info, error) {
	if s.Embedded() {
		return Info{Version: "embedded", Mode: "embedded"}, nil
	}
	var info map[string]string
	err := s.do(ctx, "info", func(ctx context.Context) error {
		text, err := s.client.Info(ctx, "server", "cluster").Result()
		info = parseInfo(text)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return Info{Version: versionOf(info), Mode: s.mode(info)}, nil
}

// mode returns the mode that the server reports. It returns "sentinel" if the store found
// the server through Sentinel, because a master does not know whether Sentinel monitors
// it.
func (s *Store) mode(info map[string]string) string {
	if s.kind == sentinel {
		return sentinel
	}
	return modeOf(info)
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
