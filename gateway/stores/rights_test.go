package stores_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// granted returns the commands that aclFile grants to the user fieldgate.
func granted(t testing.TB) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(aclFile)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "user fieldgate ") {
			continue
		}
		_, rules, found := strings.Cut(line, " -@all ")
		require.True(t, found, "the user fieldgate must begin without any right")
		for rule := range strings.FieldsSeq(rules) {
			command, plus := strings.CutPrefix(rule, "+")
			require.True(t, plus && !strings.HasPrefix(command, "@"), "%s is not a command", rule)
			commands = append(commands, command)
		}
	}
	require.NotEmpty(t, commands)
	return commands
}

// TestRights_CoverEveryCommandInTheSource requires a right for each command that a script or a
// Go function calls, even if no test of this package does.
func TestRights_CoverEveryCommandInTheSource(t *testing.T) {
	t.Parallel()
	commands := commandsInSource(t)
	require.Contains(t, commands, "hmget")
	require.Contains(t, commands, "zadd")
	require.Contains(t, commands, "multi")
	require.Contains(t, commands, "sismember")
	require.Contains(t, commands, "eval")
	for command, at := range commands {
		require.Contains(t, granted(t), command, "deploy/redis.acl does not grant %s, which %s calls", command, at)
	}
}

// TestRights_KeepDataOverRestart restarts a server with the whole ACL file, in which the user
// default is off.
func TestRights_KeepDataOverRestart(t *testing.T) {
	t.Parallel()
	path := storetest.WriteFile(t, t.TempDir(), "redis.acl", []byte(withDigests(t)))
	server := storetest.Start(t, "--aclfile", path)
	connect := func() (*store.Store, error) {
		return store.Connect(t.Context(), store.Config{URL: "redis://" + userinfo + server.Addr(), Logger: slog.New(slog.DiscardHandler)})
	}
	before, err := connect()
	require.NoError(t, err)
	require.NoError(t, before.Close())
	server.Kill()
	server.Restart(t)
	var after *store.Store
	eventually(t, "the server has loaded its data", func() bool {
		after, err = connect() // refuses a store that lost what scripts wrote
		return !store.IsUnreachable(err)
	})
	require.NoError(t, err)
	require.NoError(t, after.Close())
	require.Equal(t, before.HashKey(), after.HashKey())
}

// TestRights_RequireTheChannel starts with a user that may not publish wake-ups. Its scripts would
// fail after their writes.
func TestRights_RequireTheChannel(t *testing.T) {
	t.Parallel()
	users := strings.Replace(withDigests(t), " &fg:wake ", " ", 1)
	server := storetest.Start(t, "--aclfile", storetest.WriteFile(t, t.TempDir(), "redis.acl", []byte(users)))
	_, err := store.Connect(t.Context(), store.Config{URL: "redis://" + userinfo + server.Addr(), Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "publishing on the channel fg:wake")
	require.False(t, store.IsUnreachable(err), "the gateway would try again for ever")
}

// rights collects the commands that the servers of all sites have run.
type rights struct {
	mu    sync.Mutex
	used  map[string]bool
	sites int
}

// add adds the commands of a site. It fails the test if a server has refused one to the gateway.
func (r *rights) add(t testing.TB, s *site) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used == nil {
		r.used = map[string]bool{}
	}
	r.sites++
	for _, client := range s.reachable(t) {
		denied, err := client.ACLLog(t.Context(), 10).Result()
		require.NoError(t, err)
		for _, entry := range denied {
			if entry.Reason != "auth" { // a test tries a withdrawn password
				require.Fail(t, "a server refused a call", "%s of the user %s", entry.Object, entry.Username)
			}
		}
		text, err := client.Info(t.Context(), "commandstats").Result()
		require.NoError(t, err)
		for _, match := range commandStat.FindAllStringSubmatch(text, -1) {
			r.used[match[1]] = true
		}
	}
}

// commandStat matches the line of a command in the statistics of a server.
var commandStat = regexp.MustCompile(`(?m)^cmdstat_([a-z|_-]+):calls=[1-9]`)

// requireUsed requires that every right is used: by a site, or by a script or a function that is
// seldom called.
func (r *rights) requireUsed(t testing.TB) {
	t.Helper()
	source := commandsInSource(t)
	for _, command := range granted(t) {
		require.True(t, r.used[command] || source[command] != "", "deploy/redis.acl grants %s, which nothing calls", command)
	}
}

// packages are the directories whose sources may call Redis.
var packages = []string{"store", "quota", "queue", "session", "device", "customer", "realtime", "ratelimit", "erase", "verify", "handlers", "gateway", "cmd/fieldgate"}

// commandsInSource returns the commands that scripts and Go functions call, and where each of
// them is called.
func commandsInSource(t testing.TB) map[string]string {
	t.Helper()
	commands := map[string]string{}
	for _, dir := range packages {
		require.NoError(t, filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && strings.HasSuffix(entry.Name(), "test"):
				return filepath.SkipDir
			case strings.HasSuffix(path, ".lua"):
				maps.Copy(commands, commandsInScript(t, path))
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				maps.Copy(commands, commandsInGo(t, path))
			}
			return nil
		}))
	}
	return commands
}

// scriptCall matches a call of a command in a script. The fragment that makes a script a check calls
// the server by another name.
var scriptCall = regexp.MustCompile(`(?:redis|server)\.p?call\('([A-Z]+)'`)

func commandsInScript(t testing.TB, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	found := map[string]string{}
	for _, match := range scriptCall.FindAllStringSubmatch(string(text), -1) {
		found[strings.ToLower(match[1])] = path
	}
	return found
}

// methods are the methods of the client library that send a command.
var methods = func() (names []string) {
	all := reflect.TypeFor[redis.Cmdable]()
	for i := range all.NumMethod() {
		if name := all.Method(i).Name; name != "Shutdown" && name != "Pipelined" { // http.Server has the first too
			names = append(names, name)
		}
	}
	return names
}()

// commandsOf maps the methods that are not named like their command. A transaction sends two.
var commandsOf = map[string][]string{
	"ZRangeWithScores": {"zrange"}, "ZRangeArgsWithScores": {"zrange"},
	"SetNX":      {"set"}, // with an expiry, as everywhere in the source
	"ZRangeArgs": {"zrange"}, "ZAddArgs": {"zadd"}, "XRangeN": {"xrange"}, "XRevRangeN": {"xrevrange"},
	"TxPipeline": {"multi", "exec"}, "TxPipelined": {"multi", "exec"}, "ScriptLoad": {"script|load"}, "FunctionDelete": {"function|delete"},
	"FunctionList": {"function|list"}, "FunctionLoad": {"function|load"}, "FunctionLoadReplace": {"function|load"},
}

// clients are the names that the source gives to clients and pipelines.
var clients = []string{"c", "client", "pipe", "server", "reads", "nodes"}

// commandsInGo returns the commands of the calls like client.HGet(ctx, ...) and client.TxPipeline()
// in a file.
func commandsInGo(t testing.TB, path string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	found := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		for _, command := range commandsOfCall(node) {
			found[command] = path
		}
		return true
	})
	return found
}

func commandsOfCall(node ast.Node) []string {
	call, ok := node.(*ast.CallExpr)
	if !ok {
		return nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if ok && method.Sel.Name == "sendEval" {
		return literals(call.Args)
	}
	if !ok || !slices.Contains(methods, method.Sel.Name) || !slices.Contains(clients, lastName(method.X)) {
		return nil
	}
	name := method.Sel.Name
	if name != "TxPipeline" && (len(call.Args) == 0 || lastName(call.Args[0]) != "ctx") {
		return nil
	}
	if commands, renamed := commandsOf[name]; renamed {
		return commands
	}
	return []string{strings.ToLower(name)}
}

// literals returns the texts among the arguments of a call. That of sendEval, which runs scripts, is
// its command.
func literals(arguments []ast.Expr) (texts []string) {
	for _, argument := range arguments {
		if literal, ok := argument.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			texts = append(texts, strings.Trim(literal.Value, `"`))
		}
	}
	return texts
}

// lastName returns the last name of an expression such as s.client.
func lastName(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
