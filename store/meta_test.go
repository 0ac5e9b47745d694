package store_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestConnect_RequiresConfiguredStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	connect := func(id string) error {
		s, err := store.Connect(t.Context(), store.Config{URL: server.URL(), StoreID: id, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err
	}
	require.ErrorContains(t, connect("production"), "the store is empty, and FIELDGATE_STORE_ID requires the store production")
	require.Zero(t, server.Client(t).DBSize(t.Context()).Val(), "nothing is written to a store that is refused")

	require.NoError(t, connect(""))
	id := server.Client(t).HGet(t.Context(), "fg:meta", "store_id").Val()
	require.NotEmpty(t, id)
	require.NoError(t, connect(id))
	require.ErrorContains(t, connect("production"), "the store is "+id+", and FIELDGATE_STORE_ID requires the store production")

	require.NoError(t, server.Client(t).HDel(t.Context(), "fg:meta", "store_id").Err())
	require.NoError(t, connect("production"), "a store of an earlier version takes the configured id")
	require.NoError(t, connect("production"))
	require.Error(t, connect("staging"))
}

// TestConnect_DevelopmentRefusesProduction includes a store of an earlier version, which has
// no kind.
func TestConnect_DevelopmentRefusesProduction(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	connect := func(development bool) error {
		s, err := store.Connect(t.Context(), store.Config{
			URL: server.URL(), Development: development, Logger: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err
	}
	require.NoError(t, connect(true), "a new store")
	require.NoError(t, connect(true), "its own store")
	admin := server.Client(t)
	require.NoError(t, admin.HDel(t.Context(), "fg:meta", "kind").Err())
	require.ErrorContains(t, connect(true), "the store was written by `fieldgate serve`")
	require.NoError(t, connect(false))
	require.Equal(t, "production", admin.HGet(t.Context(), "fg:meta", "kind").Val())
	require.ErrorContains(t, connect(true), "the store was written by `fieldgate serve`")
}

func TestConnect_RefusesLaterSchema(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "partitions", "256", "schema", "5", "reader", "4").Err())
	_, err := connectLogged(t, server.URL())
	require.ErrorContains(t, err, "the store has data of schema 5, and this program reads schema 3")

	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", "1").Err())
	_, err = connectLogged(t, server.URL())
	require.NoError(t, err, "data of a later schema that this program can read")
	require.Equal(t, "5", server.Client(t).HGet(t.Context(), "fg:meta", "schema").Val())
}

// TestConnect_InterruptedCreationKeepsSchema continues the creation of a store of which an instance has
// written only the first field.
func TestConnect_InterruptedCreationKeepsSchema(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	fields := func() []any { return server.Client(t).HMGet(t.Context(), "fg:meta", "schema", "reader").Val() }
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", store.Schema).Err())
	_, err := connectLogged(t, server.URL())
	require.NoError(t, err)
	require.Equal(t, []any{"3", "3"}, fields())

	require.NoError(t, server.Client(t).HDel(t.Context(), "fg:meta", "schema", "reader").Err())
	_, err = connectLogged(t, server.URL())
	require.NoError(t, err)
	require.Equal(t, []any{"1", "1"}, fields(), "a store of an earlier version")
}

// TestConnect_CreatesSchemaInOneStep lets instances create a store at once.
func TestConnect_CreatesSchemaInOneStep(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := store.Connect(t.Context(), store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
			if assert.NoError(t, err) {
				assert.NoError(t, s.Close())
			}
		})
	}
	all.Wait()
	require.Equal(t, []any{"3", "3"}, server.Client(t).HMGet(t.Context(), "fg:meta", "schema", "reader").Val())
}

// TestConnect_RefusesStoreThatLosesScriptWrites restarts Redis with the default user off in its
// ACL file. Redis then replays its append-only file as a user without rights, and drops every
// transaction.
func TestConnect_RefusesStoreThatLosesScriptWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ defaultUser, want string }{
		"without rights": {"user default off", "the store has lost what scripts wrote"},
		"with rights":    {"user default off +@all ~* &*", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "users.acl")
			users := c.defaultUser + "\nuser gateway on >secret ~* &* +@all\n"
			require.NoError(t, os.WriteFile(file, []byte(users), 0o600))
			server := storetest.Start(t, "--aclfile", file)
			url := strings.Replace(server.URL(), "//", "//gateway:secret@", 1)
			_, err := connectLogged(t, url)
			require.NoError(t, err)

			server.Kill()
			server.Restart(t)
			require.Eventually(t, func() bool {
				_, err = connectLogged(t, url)
				return !store.IsUnreachable(err)
			}, 10*time.Second, 10*time.Millisecond, "Redis does not finish loading")
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			admin := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "gateway", Password: "secret"})
			t.Cleanup(func() { _ = admin.Close() })
			require.NoError(t, admin.HDel(t.Context(), "fg:meta", "canary").Err())
			_, err = connectLogged(t, url)
			require.NoError(t, err, "the operator has accepted the loss")
		})
	}
}
