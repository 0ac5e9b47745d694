package site

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	slots        = 16384            // of a Redis Cluster
	startTimeout = 20 * time.Second // for a server to reply, and for a Cluster to be complete
	lookEvery    = 20 * time.Millisecond
)

// server is a redis-server.
type server struct {
	*Process
	port   string
	client *redis.Client
}

// startRedis starts masters on this machine in folders of dir, and returns them with the URL for the
// gateways. More than one are a Cluster without replicas.
func startRedis(ctx context.Context, dir string, masters int) (servers []*server, storeURL string, err error) {
	for i := range masters {
		s, err := startServer(ctx, filepath.Join(dir, fmt.Sprint("redis", i)), i, masters > 1)
		if err != nil {
			return servers, "", err
		}
		servers = append(servers, s)
	}
	if masters == 1 {
		return servers, "redis://127.0.0.1:" + servers[0].port, nil
	}
	return servers, clusterURL(servers), formCluster(ctx, servers)
}

func startServer(ctx context.Context, dir string, number int, clustered bool) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the folder of a Redis server: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes", "--logfile", filepath.Join(dir, "log")}
	if clustered {
		bus, err := freePort()
		if err != nil {
			return nil, err
		}
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", bus)
	}
	started, err := start(fmt.Sprintf("redis %d", number), exec.Command("redis-server", args...), os.Stderr)
	if err != nil {
		return nil, err
	}
	s := &server{Process: started, port: port, client: redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})}
	s.data = s.usedMemory
	err = await(ctx, "a Redis server replies", func() bool { return s.client.Ping(ctx).Err() == nil })
	if err != nil {
		s.stop()
	}
	return s, err
}

func (s *server) stop() {
	_ = s.client.Close()
	s.kill()
}

// usedMemory returns the used_memory of the server, or zero if it does not reply.
func (s *server) usedMemory() int64 {
	info, _ := s.client.Info(context.Background(), "memory").Result()
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, "used_memory:"); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

// formCluster assigns each server its share of the slots, and waits until all know each other.
func formCluster(ctx context.Context, servers []*server) error {
	for i, s := range servers {
		// Masters with equal configuration epochs would first have to resolve the conflict.
		if err := s.client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return fmt.Errorf("forming the Cluster: %w", err)
		}
		first, last := i*slots/len(servers), (i+1)*slots/len(servers)-1
		if err := s.client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return fmt.Errorf("forming the Cluster: %w", err)
		}
		bus, err := servers[0].client.ConfigGet(ctx, "cluster-port").Result()
		if err == nil && i > 0 {
			err = s.client.Do(ctx, "cluster", "meet", "127.0.0.1", servers[0].port, bus["cluster-port"]).Err()
		}
		if err != nil {
			return fmt.Errorf("forming the Cluster: %w", err)
		}
	}
	return await(ctx, "the Cluster is complete", func() bool {
		for _, s := range servers {
			if !s.knows(ctx, len(servers)) {
				return false
			}
		}
		return true
	})
}

// knows reports whether the server accepts writes and knows the slots of n masters.
func (s *server) knows(ctx context.Context, n int) bool {
	info, _ := s.client.ClusterInfo(ctx).Result()
	shards, _ := s.client.ClusterShards(ctx).Result()
	placed := 0
	for _, shard := range shards {
		placed += len(shard.Slots)
	}
	return placed == n && strings.Contains(info, "cluster_state:ok")
}

func clusterURL(servers []*server) string {
	others := url.Values{}
	for _, s := range servers[1:] {
		others.Add("addr", "127.0.0.1:"+s.port)
	}
	return "redis+cluster://127.0.0.1:" + servers[0].port + "?" + others.Encode()
}

// await waits until a condition is true. The error says what did not happen.
func await(ctx context.Context, what string, isTrue func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for !isTrue() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		}
	}
	return nil
}
