package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// newSet returns a set named test, whose one script is text.
func newSet(text string) (*store.Scripts, *store.Script) {
	set := store.NewScripts("test", lua(map[string]string{"lua/script": text}))
	return set, set.Script("lua/script.lua")
}

// connectWith connects to the server, with functions even if other tests use none.
func connectWith(t *testing.T, url string, sets ...*store.Scripts) (*store.Store, *storetest.Buffer) {
	t.Helper()
	log := new(storetest.Buffer)
	s, err := store.Connect(t.Context(), store.Config{URL: url, Scripts: sets, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, log
}

// runValue runs a script with one key and returns the second element of its reply.
func runValue(t *testing.T, s *store.Store, script *store.Script, args ...any) string {
	t.Helper()
	reply, err := s.Run(t.Context(), script, []string{newKey()}, args...)
	require.NoError(t, err)
	return reply.String(1)
}

// libraries returns the text of each library of the set test, by name.
func libraries(t *testing.T, c *redis.Client) map[string]string {
	t.Helper()
	found, err := c.FunctionList(t.Context(), redis.FunctionListQuery{LibraryNamePattern: "fieldgate_test_*", WithCode: true}).Result()
	require.NoError(t, err)
	texts := map[string]string{}
	for _, l := range found {
		texts[l.Name] = l.Code
	}
	return texts
}

// requireCalls requires how many times the server has run a command since the test began to count.
func requireCalls(t *testing.T, c *redis.Client, want map[string]int) {
	t.Helper()
	text, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	for command, calls := range want {
		if calls == 0 {
			require.NotContains(t, text, "cmdstat_"+command+":")
		} else {
			require.Contains(t, text, fmt.Sprintf("cmdstat_%s:calls=%d,", command, calls))
		}
	}
}

func TestConnect_LoadsFunctions(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	set, script := newSet("return { 'ok', 'ran' }")
	s, log := connectWith(t, server.URL(), set)
	admin := server.Client(t)
	require.Len(t, libraries(t, admin), 1)
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	require.Equal(t, "ran", runValue(t, s, script))
	requireCalls(t, admin, map[string]int{"fcall": 1, "evalsha": 0, "eval": 0, "function|load": 0})
	require.NotContains(t, log.String(), "WARN msg=\"loading")
}

func TestConnect_LoadsDigestsWithoutFunctions(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	set, script := newSet("return { 'ok', 'ran' }")
	s, err := store.Connect(t.Context(), store.Config{
		URL: server.URL(), Scripts: []*store.Scripts{set}, NoFunctions: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer s.Close()
	admin := server.Client(t)
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	require.Equal(t, "ran", runValue(t, s, script))
	requireCalls(t, admin, map[string]int{"fcall": 0, "evalsha": 1, "eval": 0})
}

// TestFunctions_LostAreLoadedAgain deletes all functions, as a new master of a Cluster lacks them.
// The call that finds them missing still runs, and once.
func TestFunctions_LostAreLoadedAgain(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	set, script := newSet("return { 'ok', redis.call('INCR', KEYS[1]) }")
	s, _ := connectWith(t, server.URL(), set)
	admin, key := server.Client(t), newKey()
	require.NoError(t, admin.FunctionFlush(t.Context()).Err())
	for want := range int64(3) {
		reply, err := s.Run(t.Context(), script, []string{key})
		require.NoError(t, err)
		require.Equal(t, want+1, reply.Int(1))
	}
	require.Len(t, libraries(t, admin), 1)
	requireCalls(t, admin, map[string]int{"eval": 1})
}

// TestFunctions_CallSeesNothingOfEarlierCall runs a script that fails after it has recorded
// something. The tables of a run, KEYS and ARGV belong to one call.
func TestFunctions_CallSeesNothingOfEarlierCall(t *testing.T) {
	t.Parallel()
	files := lua(map[string]string{
		"lua/fragment": "local seen = {} --@state\nlocal other = {} --@state\n" +
			"local function see(n)\n  seen[#seen + 1] = n\n  other.n = (other.n or 0) + 1\n  return table.concat(seen, ' ') .. ' ' .. other.n .. ' ' .. #KEYS .. ' ' .. #ARGV\nend\n",
		"lua/script": "--@include fragment\nlocal text = see(ARGV[1])\nif ARGV[2] then\n  error('broken')\nend\nreturn { 'ok', text }\n",
		"lua/beside": "--@include fragment\nreturn { 'ok', see('b') }\n",
	})
	set := store.NewScripts("test", files)
	script, beside := set.Script("lua/script.lua"), set.Script("lua/beside.lua")
	s, _ := connectWith(t, storetest.Start(t).URL(), set)
	for range 3 {
		_, err := s.Run(t.Context(), script, []string{newKey()}, "a", "fail")
		require.ErrorContains(t, err, "broken")
		require.Equal(t, "a 1 1 1", runValue(t, s, script, "a"))
		require.Equal(t, "b 1 1 0", runValue(t, s, beside))
	}
}

func TestFunctions_VersionsRunBesideEachOther(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	old, oldScript := newSet("return { 'ok', 'old' }")
	first, _ := connectWith(t, server.URL(), old)
	updated, newScript := newSet("return { 'ok', 'new' }")
	second, _ := connectWith(t, server.URL(), updated)
	for range 2 {
		require.Equal(t, "old", runValue(t, first, oldScript))
		require.Equal(t, "new", runValue(t, second, newScript))
	}
	require.Len(t, libraries(t, server.Client(t)), 2)
}

// TestFunctions_OldVersionsAreDeleted connects with many versions. A version that was deleted is
// loaded again when it is called.
func TestFunctions_OldVersionsAreDeleted(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin := server.Client(t)
	oldest, oldestScript := newSet("return { 'ok', 'oldest' }")
	first, _ := connectWith(t, server.URL(), oldest)
	for i := range 20 {
		set, _ := newSet(fmt.Sprintf("return { 'ok', %d }", i))
		connectWith(t, server.URL(), set)
		require.LessOrEqual(t, len(libraries(t, admin)), 9)
	}
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	require.Equal(t, "oldest", runValue(t, first, oldestScript))
	require.Equal(t, "oldest", runValue(t, first, oldestScript))
	requireCalls(t, admin, map[string]int{"fcall": 2, "function|load": 1})
}

// TestConnect_ReplacesChangedFunctions changes the text of a library under its name.
func TestConnect_ReplacesChangedFunctions(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	set, script := newSet("return { 'ok', 'right' }")
	connectWith(t, server.URL(), set)
	admin := server.Client(t)
	for _, text := range libraries(t, admin) {
		require.NoError(t, admin.FunctionLoadReplace(t.Context(), strings.ReplaceAll(text, "'right'", "'wrong'")).Err())
	}
	s, log := connectWith(t, server.URL(), set)
	require.Equal(t, "right", runValue(t, s, script))
	require.Contains(t, log.String(), "replaced functions in Redis that another program had changed")
}

// TestFunctions_RefusedMeansEvalsha takes the rights of functions from the user of Redis, before
// and after it has connected.
func TestFunctions_RefusedMeansEvalsha(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"fcall", "function|load", "function|list", "function"} {
		for _, when := range []string{"before", "after"} {
			t.Run(right+" "+when, func(t *testing.T) {
				t.Parallel()
				server := storetest.Start(t)
				admin := server.Client(t)
				take := func(rules ...string) {
					require.NoError(t, admin.ACLSetUser(t.Context(), "fieldgate", append([]string{"on", ">secret", "~*", "&*", "+@all"}, rules...)...).Err())
				}
				take()
				if when == "before" {
					take("-" + right)
				}
				set, script := newSet("return { 'ok', redis.call('INCR', KEYS[1]) }")
				s, log := connectWith(t, "redis://fieldgate:secret@"+server.Addr(), set)
				take("-" + right)
				require.NoError(t, admin.FunctionFlush(t.Context()).Err())
				key := newKey()
				for want := range int64(3) {
					reply, err := s.Run(t.Context(), script, []string{key})
					require.NoError(t, err)
					require.Equal(t, want+1, reply.Int(1))
				}
				require.Equal(t, 1, strings.Count(log.String(), "running scripts with EVALSHA"), log.String())
			})
		}
	}
}

// TestFunctions_RefusedInsideFunctionRunsOnce takes the right of a command that a function calls.
// The function has already written, so it must not run again with EVALSHA.
func TestFunctions_RefusedInsideFunctionRunsOnce(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin, key := server.Client(t), newKey()
	require.NoError(t, admin.ACLSetUser(t.Context(), "fieldgate", "on", ">secret", "~*", "&*", "+@all", "-append").Err())
	set, script := newSet("redis.call('INCR', KEYS[1])\nreturn { 'ok', redis.call('APPEND', KEYS[1], 'x') }")
	s, _ := connectWith(t, "redis://fieldgate:secret@"+server.Addr(), set)
	_, err := s.Run(t.Context(), script, []string{key})
	require.Error(t, err)
	require.Equal(t, "1", admin.Get(context.WithoutCancel(t.Context()), key).Val())
}

// TestFunctions_FullServerRunsAllThatDoesNotCreate exceeds maxmemory after the functions were
// loaded.
func TestFunctions_FullServerRunsAllThatDoesNotCreate(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	set := store.NewScripts("test", lua(map[string]string{
		"lua/create": "--@creates\nreturn { 'ok', redis.call('INCR', KEYS[1]) }\n",
		"lua/other":  "return { 'ok', redis.call('INCR', KEYS[1]) }\n",
	}))
	create, other := set.Script("lua/create.lua"), set.Script("lua/other.lua")
	s, _ := connectWith(t, server.URL(), set)
	admin := server.Client(t)
	require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	_, err := s.Run(t.Context(), create, []string{newKey()})
	requireCode(t, fieldgate.CodeStoreFull, err)
	require.Equal(t, "1", runValue(t, s, other))
	requireCalls(t, admin, map[string]int{"evalsha": 0, "eval": 0})
}
