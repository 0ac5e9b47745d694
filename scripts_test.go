package fieldgate_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/gopher-lua/ast"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
)

// byDevices and byUsers are the security schemes of devices and of users. In runBy they stand
// for all operations with that security scheme.
const (
	byDevices = "deviceSession"
	byUsers   = "customerJWT"
)

// runBy maps a script to the operations that run the script. An element is an operation id, or
// byDevices or byUsers for all operations of devices or of users. A script without operations
// runs in the background, and its package handles the refusals. A socket frame runs the same
// scripts as the corresponding operation.
var runBy = map[string][]string{
	"customer/lua/cut_off":             {"cutOff"},
	"customer/lua/erase_cut_off_names": nil,
	"customer/lua/issue_ticket":        {"issueTicket"},
	"customer/lua/redeem_ticket":       {"openCustomerSocket"},

	"device/lua/check":            {byDevices},
	"device/lua/decommission":     {"decommissionDevice"},
	"device/lua/heartbeat":        {"sendHeartbeat"},
	"device/lua/issue":            {"issueActivationCode"},
	"device/lua/login":            {"authenticateDevice"},
	"device/lua/logout":           {"endDeviceLogin"},
	"device/lua/provision":        {"provisionDevice"},
	"device/lua/reconcile_device": nil,
	"device/lua/register":         {"registerDevice"},
	"device/lua/resolve_identity": {"resolveDeviceIdentity"},
	"device/lua/resume":           {"resumeDevice"},
	"device/lua/revoke":           {"revokeDeviceLogins"},
	"device/lua/settle_presence":  nil,
	"device/lua/settle_removal":   nil,
	"device/lua/suspend":          {"suspendDevice"},
	"device/lua/update":           {"updateDevice"},

	"queue/lua/cancel":             {"cancelCommand"},
	"queue/lua/claim":              {"claimCommands"},
	"queue/lua/decide":             {"decideCommand", "breakGlass"},
	"queue/lua/withdraw":           {"withdrawVote"},
	"queue/lua/review_glass":       {"reviewBreakGlass"},
	"queue/lua/erase_answer_names": nil,
	"queue/lua/erase_names":        nil,
	"queue/lua/extend":             {"extendCommand"},
	"queue/lua/progress":           {"reportProgress"},
	"queue/lua/propose":            {"proposeCommand", "retryCommand"},
	"queue/lua/reconcile":          nil,
	"queue/lua/release":            {"releaseCommand"},
	"queue/lua/restore":            nil,
	"queue/lua/result":             {"submitResult"},
	"queue/lua/settle":             nil,

	"queue/lua/result_conflict":   {"submitResult"},
	"queue/lua/apply_policy":      {"claimCommands", "submitResult"},
	"queue/lua/set_aside_command": {"claimCommands", "decideCommand", "breakGlass"},

	"quota/lua/correct_device": nil,
	"quota/lua/correct_tenant": nil,
	"quota/lua/set_limits":     nil,

	"ratelimit/lua/allow": {byUsers, "registerDevice", "authenticateDevice"},

	"realtime/lua/connect_socket":    {"openDeviceSocket", "openCustomerSocket"},
	"realtime/lua/disconnect_socket": nil,
	"realtime/lua/kick_socket":       {"closeConnection"},
	"realtime/lua/renew_socket":      nil,
	"realtime/lua/renew_sockets":     nil,

	"approver/lua/delete_passkey":   {"deletePasskey"},
	"approver/lua/register_passkey": {"registerPasskey"},
	"approver/lua/save_roster":      {"setRoster"},

	"tenantpolicy/lua/decide_policy": {"decidePolicyChange"},
	"tenantpolicy/lua/save_policy":   {"setPolicy"},

	"session/lua/close_session":      {"closeSession"},
	"session/lua/erase_opened_names": nil,
	"session/lua/open_session":       {"openSession"},
	"session/lua/read_sessions":      {"getSession", "listSessions"},
	"session/lua/reconcile_session":  nil,
	"session/lua/settle_session":     nil,

	"store/lua/canary":            nil,
	"store/lua/erase_event_names": nil,
	"store/lua/raise_schema":      nil,
	"store/lua/restore":           nil,
	"store/lua/set_aside":         nil,
	"store/lua/record_retention":  nil,
	"store/lua/replace_fields":    nil,
	"store/lua/replace_list":      nil,
	"store/lua/trim_quarantine":   nil,
}

func TestScripts_EachIsListedWithItsOperations(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(runBy)), scripts(t), "runBy and the scripts of the repository")
	known := []string{byDevices, byUsers}
	for _, op := range operations(t) {
		known = append(known, op.OperationID)
	}
	for script, operations := range runBy {
		require.Subset(t, known, operations, script)
	}
}

// TestScripts_EachRefusalIsInTheTable requires that package refusal has every code that a
// script returns. Otherwise a caller would receive status 500.
func TestScripts_EachRefusalIsInTheTable(t *testing.T) {
	t.Parallel()
	returned := map[string]bool{}
	for _, script := range scripts(t) {
		for _, code := range refusals(t, script) {
			require.Contains(t, tableOfRefusals(), code, "%s.lua returns a code that package refusal does not have", script)
			returned[code] = true
		}
	}
	require.ElementsMatch(t, tableOfRefusals(), slices.Collect(maps.Keys(returned)), "package refusal and what the scripts return")
}

// TestScripts_EachRefusalIsInTheContract requires that the contract documents every code. An
// operation must declare all refusals of the scripts that it runs.
func TestScripts_EachRefusalIsInTheContract(t *testing.T) {
	t.Parallel()
	all, declared := operations(t), 0
	for _, script := range scripts(t) {
		codes := slices.DeleteFunc(refusals(t, script), isMarker)
		for _, op := range all {
			if !runs(op, script) {
				continue
			}
			for _, code := range codes {
				status := strconv.Itoa(problem.Status(fieldgate.Code(code)))
				require.Contains(t, op.codes(status), code, "%s.lua returns a code that %s does not declare with status %s", script, op.OperationID, status)
				declared++
			}
		}
	}
	require.Greater(t, declared, 100)
}

// TestScripts_EachSignatureNamesEveryRefusal compares the comment at the top of each script
// with the refusals in the code of the script.
func TestScripts_EachSignatureNamesEveryRefusal(t *testing.T) {
	t.Parallel()
	for _, script := range scripts(t) {
		header := signature(t, script)
		require.True(t, strings.HasPrefix(header, filepath.Base(script)+" "), "%s.lua does not begin with its name", script)
		require.Contains(t, header, "Returns {", script)
		_, stated, _ := strings.Cut(header, "Refuses with ")
		stated, _, _ = strings.Cut(stated, "Guarantees that")
		var codes []string
		for _, word := range regexp.MustCompile(`[a-z_]+`).FindAllString(stated, -1) {
			if slices.Contains(tableOfRefusals(), word) {
				codes = append(codes, word)
			}
		}
		require.ElementsMatch(t, refusals(t, script), codes, "what %s.lua refuses, and what its signature says", script)
	}
}

// TestScripts_OnlyOkAndRefuseBuildReplies checks that scripts build replies only with ok and
// refuse. The other tests rely on this, because they find only the codes in calls of refuse.
func TestScripts_OnlyOkAndRefuseBuildReplies(t *testing.T) {
	t.Parallel()
	for _, script := range scripts(t) {
		chunk := parseLua(t, script+".lua", read(t, script+".lua"))
		returns := 0
		walk(chunk, func(node any) bool {
			statement, isReturn := node.(*ast.ReturnStmt)
			if _, inner := node.(*ast.FunctionExpr); inner || !isReturn {
				return !inner
			}
			returns++
			require.Len(t, statement.Exprs, 1, script)
			switch expr := statement.Exprs[0].(type) {
			case *ast.FuncCallExpr:
			case *ast.IdentExpr:
				require.Equal(t, "refused", expr.Value, "%s.lua:%d", script, statement.Line())
			default:
				require.Fail(t, "a reply is not built by ok or refuse", "%s.lua:%d", script, statement.Line())
			}
			return true
		})
		require.Positive(t, returns, script)
	}
	for _, file := range luaFiles(t) {
		if file != "store/lua/reply.lua" {
			require.NotRegexp(t, `(?m)return \{ ?'`, read(t, file), file)
		}
	}
}

// TestScripts_EachTouchesDeclaredKeysOnly fails if a script uses a key that is not in KEYS.
// Such a key may be in another slot, or move to another node while the script runs. A script
// gets a key in three ways: from a local variable whose name ends in "key", from the key set of
// a device, or from a parameter.
func TestScripts_EachTouchesDeclaredKeysOnly(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`redis\.p?call\((.*)`)
	declared := regexp.MustCompile(`^'[A-Z]+', (KEYS\[.+?\]|device\.[a-z_]+|([a-z_]+_)?key)[,)]`)
	keyless := regexp.MustCompile(`^('TIME'\)|'PUBLISH', 'fg:wake',)`)
	for _, file := range luaFiles(t) {
		text := read(t, file)
		for _, found := range call.FindAllStringSubmatch(text, -1) {
			require.True(t, declared.MatchString(found[1]) || keyless.MatchString(found[1]), "%s: redis.call(%s", file, found[1])
		}
		walk(parseLua(t, file, text), func(node any) bool {
			if local, ok := node.(*ast.LocalAssignStmt); ok {
				requireDeclaredKeys(t, file, local)
			}
			return true
		})
	}
}

// requireDeclaredKeys fails the test if the name of a local variable ends in "key" but its value
// is not an element of KEYS.
func requireDeclaredKeys(t *testing.T, file string, local *ast.LocalAssignStmt) {
	t.Helper()
	for i, name := range local.Names {
		if name != "key" && !strings.HasSuffix(name, "_key") {
			continue
		}
		require.Less(t, i, len(local.Exprs), "%s:%d: %s", file, local.Line(), name)
		source, ok := local.Exprs[i].(*ast.AttrGetExpr)
		require.True(t, ok, "%s:%d: %s", file, local.Line(), name)
		keys, ok := source.Object.(*ast.IdentExpr)
		require.True(t, ok && keys.Value == "KEYS", "%s:%d: %s", file, local.Line(), name)
	}
}

// constant matches the name of a constant of a fragment.
var constant = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)

// TestFragments_KeepNothingBetweenCalls requires that a fragment declares only functions, constants
// and tables that belong to one run. Redis runs a fragment once, when it loads the functions of a
// package, so that everything else would be visible to later calls. The names are distinct, because
// the fragments of a package share one scope.
func TestFragments_KeepNothingBetweenCalls(t *testing.T) {
	t.Parallel()
	declared := map[string]string{}
	for _, file := range fragments(t) {
		text := read(t, file)
		for _, statement := range parseLua(t, file, text) {
			local, ok := statement.(*ast.LocalAssignStmt)
			require.True(t, ok, "%s:%d: not a declaration", file, statement.Line())
			for i, name := range local.Names {
				require.Empty(t, declared[name], "%s declares %s again", file, name)
				declared[name] = file
				if _, function := local.Exprs[i].(*ast.FunctionExpr); !function && !constant.MatchString(name) {
					require.Contains(t, text, "\nlocal "+name+" = {} --@state\n", "%s: %s outlives a call", file, name)
				}
			}
		}
	}
	require.Contains(t, declared, "recorded")
}

// TestConstants_AreNotAssigned requires that no Lua file changes a constant.
func TestConstants_AreNotAssigned(t *testing.T) {
	t.Parallel()
	for _, file := range luaFiles(t) {
		walk(parseLua(t, file, read(t, file)), func(node any) bool {
			assignment, ok := node.(*ast.AssignStmt)
			for i := 0; ok && i < len(assignment.Lhs); i++ {
				target := assignment.Lhs[i]
				if field, ok := target.(*ast.AttrGetExpr); ok {
					target = field.Object
				}
				name, ok := target.(*ast.IdentExpr)
				require.False(t, ok && constant.MatchString(name.Value), "%s:%d: an assignment to a constant", file, assignment.Line())
			}
			return true
		})
	}
}

// fragments returns the Lua files that others include.
func fragments(t *testing.T) []string {
	t.Helper()
	all := scripts(t)
	return slices.DeleteFunc(luaFiles(t), func(file string) bool { return slices.Contains(all, strings.TrimSuffix(file, ".lua")) })
}
