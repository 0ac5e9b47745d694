package gateway

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestFunctions_ServerLoadsEveryScript requires that the server accepts the functions of every
// package. Without them, the gateway would run, and spend more time in Redis.
func TestFunctions_ServerLoadsEveryScript(t *testing.T) {
	t.Parallel()
	server, log := storetest.Start(t), new(storetest.Buffer)
	cfg := storeConfigOf(Config{RedisURL: server.URL(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	s, err := store.Connect(t.Context(), cfg)
	require.NoError(t, err)
	defer s.Close()
	require.NotContains(t, log.String(), "loading the scripts into Redis failed")
	libraries, err := server.Client(t).FunctionList(t.Context(), redis.FunctionListQuery{}).Result()
	require.NoError(t, err)
	loaded := 0
	for _, library := range libraries {
		loaded += len(library.Functions)
	}
	require.Equal(t, countScripts(t), loaded)
}

// countScripts returns the number of Lua files that no other file includes.
func countScripts(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("../*/lua/*.lua")
	require.NoError(t, err)
	fragments := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?m)^--@include (?:\S+/)?(\S+)$`).FindAllStringSubmatch(string(text), -1) {
			fragments[match[1]+".lua"] = true
		}
	}
	return len(slices.DeleteFunc(files, func(file string) bool { return fragments[filepath.Base(file)] }))
}
