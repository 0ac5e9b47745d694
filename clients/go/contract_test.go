package fieldgate_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// methodOf maps each operationId of the contract to the method that sends the operation.
var methodOf = map[string]string{
	"getHealth":          "Gateway.Health",
	"getReadiness":       "Gateway.Readiness",
	"getVersion":         "Gateway.Version",
	"getSigningKeys":     "Gateway.ReceiptKeys",
	"registerDevice":     "Gateway.Register",
	"authenticateDevice": "Gateway.Authenticate",

	"endDeviceLogin":   "DeviceClient.Logout",
	"sendHeartbeat":    "DeviceClient.Heartbeat",
	"claimCommands":    "DeviceClient.Claim",
	"getDeviceCommand": "DeviceClient.Command",
	"extendCommand":    "DeviceClient.Extend",
	"reportProgress":   "DeviceClient.ReportProgress",
	"releaseCommand":   "DeviceClient.Release",
	"submitResult":     "DeviceClient.SubmitResult",
	"openDeviceSocket": "DeviceClient.Connect",

	"provisionDevice":     "CustomerClient.Provision",
	"listDevices":         "CustomerClient.Devices",
	"getDevice":           "CustomerClient.Device",
	"updateDevice":        "CustomerClient.Update",
	"decommissionDevice":  "CustomerClient.Decommission",
	"issueActivationCode": "CustomerClient.IssueActivationCode",
	"suspendDevice":       "CustomerClient.Suspend",
	"resumeDevice":        "CustomerClient.Resume",
	"revokeDeviceLogins":  "CustomerClient.RevokeLogins",

	"resolveDeviceIdentity": "CustomerClient.ResolveIdentity",

	"openSession":        "CustomerClient.OpenSession",
	"listSessions":       "CustomerClient.Sessions",
	"getSession":         "CustomerClient.Session",
	"closeSession":       "CustomerClient.CloseSession",
	"proposeCommand":     "CustomerClient.Propose",
	"listCommands":       "CustomerClient.Commands",
	"listTenantCommands": "CustomerClient.TenantCommands",
	"getCommand":         "CustomerClient.Command",
	"getCommandOutput":   "CustomerClient.Output",
	"getReceipt":         "CustomerClient.Receipt",
	"cancelCommand":      "CustomerClient.Cancel",
	"retryCommand":       "CustomerClient.Retry",
	"decideCommand":      "CustomerClient.Decide",
	"withdrawVote":       "CustomerClient.WithdrawVote",
	"breakGlass":         "CustomerClient.BreakGlass",
	"reviewBreakGlass":   "CustomerClient.ReviewBreakGlass",
	"listSessionEvents":  "CustomerClient.Events",
	"listApprovals":      "CustomerClient.Approvals",
	"issueTicket":        "CustomerClient.IssueTicket",
	"openCustomerSocket": "CustomerClient.Connect",
	"listConnections":    "CustomerClient.Connections",
	"closeConnection":    "CustomerClient.CloseConnection",
	"cutOff":             "CustomerClient.CutOff",
	"listCutOffs":        "CustomerClient.CutOffs",
	"getPolicy":          "CustomerClient.Policy",
	"listPasskeys":       "CustomerClient.Passkeys",
	"registerPasskey":    "CustomerClient.RegisterPasskey",
	"deletePasskey":      "CustomerClient.DeletePasskey",
	"getRoster":          "CustomerClient.Roster",
	"setRoster":          "CustomerClient.SetRoster",
	"getDeviceTrust":     "DeviceClient.FollowRoster",

	"createPasskeyOptions": "CustomerClient.CreatePasskeyOptions",

	"setPolicy":          "CustomerClient.SetPolicy",
	"decidePolicyChange": "CustomerClient.DecidePolicyChange",
	"evaluatePolicy":     "CustomerClient.EvaluatePolicy",
	"listPolicyVersions": "CustomerClient.PolicyVersions",
	"getUsage":           "CustomerClient.Usage",
	"getMe":              "CustomerClient.Me",
	"getSystemInfo":      "CustomerClient.SystemInfo",
}

// withoutMethod maps each operation that has no method to the reason why it has none.
var withoutMethod = map[string]string{
	"getContractYAML":       "a document for people and generators",
	"getContractJSON":       "a document for people and generators",
	"getSocketContract":     "a document for people and generators",
	"getSocketContractJSON": "a document for people and generators",
	"getDocs":               "a web page",
}

// readContract returns openapi.yaml. It skips the test if only the module was copied, without
// that file.
func readContract(t *testing.T) []byte {
	t.Helper()
	contract, err := os.ReadFile("../../openapi.yaml")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no ../../openapi.yaml")
	}
	require.NoError(t, err)
	return contract
}

func TestContract_EachOperationHasAMethod(t *testing.T) {
	t.Parallel()
	var operations []string
	for _, match := range regexp.MustCompile(`(?m)^ +operationId: (\w+)$`).FindAllSubmatch(readContract(t), -1) {
		operations = append(operations, string(match[1]))
	}
	require.NotEmpty(t, operations)
	for _, operation := range operations {
		if methodOf[operation] == "" && withoutMethod[operation] == "" {
			t.Errorf("%s has no method: add one and name it in methodOf, or give a reason in withoutMethod", operation)
		}
	}
	for operation := range methodOf {
		require.Contains(t, operations, operation, "methodOf names an operation that the contract lacks")
	}
	for operation := range withoutMethod {
		require.Contains(t, operations, operation, "withoutMethod names an operation that the contract lacks")
	}
}

func TestContract_MethodsExist(t *testing.T) {
	t.Parallel()
	var methods []string
	for _, client := range []any{&fieldgate.Gateway{}, &fieldgate.DeviceClient{}, &fieldgate.CustomerClient{}} {
		for i := range reflect.TypeOf(client).NumMethod() {
			methods = append(methods, reflect.TypeOf(client).Elem().Name()+"."+reflect.TypeOf(client).Method(i).Name)
		}
	}
	for operation, method := range methodOf {
		require.Contains(t, methods, method, operation)
	}
}

// TestContract_MethodsSendTheirOperations requires that each method calls the generated method
// for its operation. The name of the generated method is the operationId. The methods of
// sockets are not checked, because they are not generated.
func TestContract_MethodsSendTheirOperations(t *testing.T) {
	t.Parallel()
	calls := callsOfMethods(t)
	for operation, method := range methodOf {
		if !strings.HasSuffix(method, ".Connect") {
			require.Contains(t, calls[method], operation, method)
		}
	}
}

// callsOfMethods returns the names of the methods that each method of the package calls.
func callsOfMethods(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	calls := map[string][]string{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv != nil {
				method := strings.TrimPrefix(types.ExprString(f.Recv.List[0].Type), "*") + "." + f.Name.Name
				ast.Inspect(f.Body, func(node ast.Node) bool {
					if called, ok := node.(*ast.SelectorExpr); ok {
						calls[method] = append(calls[method], called.Sel.Name)
					}
					return true
				})
			}
		}
	}
	return calls
}

// TestContract_Codes compares the constants of codes.go with the table of the contract.
func TestContract_Codes(t *testing.T) {
	t.Parallel()
	var want []string
	for _, row := range regexp.MustCompile("(?m)^ *\\| `([a-z_]+)` \\| [45][0-9]{2} \\|").FindAllSubmatch(readContract(t), -1) {
		want = append(want, string(row[1]))
	}
	require.NotEmpty(t, want)

	source, err := os.ReadFile("codes.go")
	require.NoError(t, err)
	var got []string
	for _, constant := range regexp.MustCompile(`ProblemCode = "([a-z_]+)"`).FindAllSubmatch(source, -1) {
		got = append(got, string(constant[1]))
	}
	require.ElementsMatch(t, want, got)
}
