package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfig_KnowsRedisOfStrangers(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"redis://redis.internal:6379": true, "redis://:hunter2@10.0.0.1:6379/0": true, "redis+sentinel://10.0.0.1:26379?master_name=m": true,
		"redis+cluster://[2001:db8::1]:6379": true, "redis://redis.internal": true,
		"rediss://redis.internal:6379": false, "rediss+cluster://10.0.0.1:6379": false, "redis://127.0.0.1:6379": false,
		"redis://localhost": false, "redis+cluster://[::1]:7000": false, "": false,
	} {
		require.Equal(t, want, Config{RedisURL: url}.plainRedis(), url)
	}
}
