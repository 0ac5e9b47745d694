package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestConnect_InvalidURLWithoutPasswordInError(t *testing.T) {
	t.Parallel()
	const valid = "the Redis URL is not valid"
	for url, want := range map[string]string{
		"localhost:6379":                                                   valid,
		"redis://":                                                         valid,
		"redis:///0":                                                       valid,
		"redis://:6379":                                                    valid,
		"http://localhost:6379":                                            valid,
		"unix:///run/redis.sock":                                           valid,
		"redis+ring://localhost":                                           valid,
		"cluster://localhost":                                              valid,
		"+cluster://localhost":                                             valid,
		"redis://user:s3cret@localhost:port":                               valid,
		"redis://:s3cret/0@localhost":                                      valid,
		"redis://:s3cret?0@localhost":                                      valid,
		"redis://:s3cret#0@localhost":                                      valid,
		"redis://:s3cret%@localhost":                                       valid,
		"redis://:s3 cret@localhost":                                       valid,
		"redis://:s3cret\n@localhost":                                      valid,
		"redis://user:1/s3cret@localhost":                                  valid + " (invalid database number)",
		"redis://user:1?s3cret@localhost":                                  valid + " (unexpected option)",
		"redis://:s3cret@localhost/one":                                    valid + " (invalid database number)",
		"redis://:s3cret@localhost/1/2":                                    valid + " (invalid URL path)",
		"redis://:s3cret@localhost?max_age=1":                              valid + " (unexpected option)",
		"redis://:s3cret@localhost?protocol=s3cret":                        valid + " (invalid protocol number)",
		"redis+cluster://:s3cret@localhost?addr=s3cret":                    valid,
		"redis+sentinel://:s3cret@localhost":                               "names no master",
		"redis+sentinel://:s3cret@localhost?master_name=m&addr=s3cret":     valid,
		"redis+sentinel://localhost?master_name=m&password=s3cret&db=many": valid + " (invalid database number)",
		"rediss+sentinel://:s3cret@localhost/one?master_name=m":            valid + " (invalid database number)",
	} {
		_, err := store.Connect(t.Context(), store.Config{URL: url})
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "s3", url)
		require.NotContains(t, err.Error(), "cret", url)
		require.NotContains(t, err.Error(), "\n", url)
	}
}

func TestConnect_UnreachableServerWithoutPasswordInError(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	for _, url := range []string{
		"redis://user:s3cret@127.0.0.1:%s",
		"rediss://user:s3cret@127.0.0.1:%s",
		"redis+cluster://user:s3cret@127.0.0.1:%s",
		"redis+sentinel://user:s3cret@127.0.0.1:%s?master_name=m&password=s3cret",
	} {
		_, err := store.Connect(t.Context(), store.Config{URL: fmt.Sprintf(url, port)})
		require.ErrorContains(t, err, "reaching Redis", url)
		require.NotContains(t, err.Error(), "s3cret", url)
	}
}

func TestConnect_URLWithUserPasswordAndDatabase(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t, "--user", "gateway", "on", ">s3:c/r@t", "~*", "&*", "+@all")
	s := storetest.Connect(t, store.Config{URL: strings.Replace(server.URL(), "//", "//gateway:s3%3Ac%2Fr%40t@", 1) + "/3"})
	require.EqualValues(t, 1, count(t, s, "counter"))
	require.Contains(t, server.Client(t).Info(t.Context(), "keyspace").Val(), "db3:keys=3,", "the counter, fg:meta and fg:canary")

	_, err := store.Connect(t.Context(), store.Config{URL: strings.Replace(server.URL(), "//", "//gateway:wrong@", 1)})
	require.ErrorContains(t, err, "WRONGPASS")
}

func TestRun_OnEveryKindOfServer(t *testing.T) {
	t.Parallel()
	withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
		for name, url := range map[string]string{"embedded": "", "standalone": storetest.Start(t).URL()} {
			cfg.URL = url
			s := storetest.Connect(t, cfg)
			key := newKey()
			require.EqualValues(t, 1, count(t, s, key), name)
			require.EqualValues(t, 2, count(t, s, key), name)
			info, err := s.Info(t.Context())
			require.NoError(t, err)
			require.Equal(t, name, info.Mode)
			require.NotEmpty(t, info.Version)
			require.Equal(t, url == "", s.Embedded())
		}
	})
}

// TestConfig_TimeoutCoversSlowReply has a server that replies after the timeout of a reply by default.
func TestConfig_TimeoutCoversSlowReply(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Timeout: time.Minute})
	require.NoError(t, server.Client(t).Do(t.Context(), "client", "pause", 1800, "all").Err())
	took, err := s.Ping(t.Context())
	require.NoError(t, err)
	require.Greater(t, took, 1500*time.Millisecond)
}
