package gateway_test

import (
	"crypto/rand"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// example is a valid request of an operation. A placeholder such as {deviceId} stands for
// a value of the fixture.
type example struct {
	body   string            // empty if the operation takes no body
	query  string            // a query parameter whose value is an id
	path   map[string]string // by path parameter, the name of the fixture's value if it differs from the parameter's name
	status int               // status of the response
}

// examples has a valid request for every operation of the contract. The tests of all
// operations start from these requests.
var examples = map[string]example{
	"getHealth":       {status: 200},
	"getReadiness":    {status: 200},
	"getVersion":      {status: 200},
	"getSigningKeys":  {status: 200},
	"getContractYAML": {status: 200},
	"getContractJSON": {status: 200},
	"getDocs":         {status: 200},

	"getSocketContract":     {status: 200},
	"getSocketContractJSON": {status: 200},

	"registerDevice":     {body: `{"activationCode":"{activationCode}","deviceId":"{provisionedId}","metadata":{"model":"PX-400"}}`, status: 201},
	"authenticateDevice": {body: `{"deviceId":"{deviceId}","deviceSecret":"{deviceSecret}"}`, status: 200},
	"endDeviceLogin":     {status: 204},
	"sendHeartbeat":      {body: `{"status":"ok","metrics":{"cpuPercent":12.5},"firmwareVersion":"2.8.1"}`, status: 200},
	"claimCommands":      {body: `{"limit":1,"visibilityTimeoutMs":60000,"waitMs":0}`, status: 200},
	"getDeviceCommand":   {status: 200},
	"extendCommand":      {body: `{"claimToken":"{claimToken}","extensionMs":60000}`, status: 200},
	"reportProgress":     {body: `{"claimToken":"{claimToken}","seq":1,"percent":42.5,"message":"writing","output":"block 17 written\\n"}`, status: 200},
	"releaseCommand":     {body: `{"claimToken":"{claimToken}","reason":"rebooting"}`, status: 200},
	"submitResult":       {body: `{"claimToken":"{claimToken}","status":"succeeded","output":"done","data":{"pid":4711},"durationMs":12}`, status: 200},

	"provisionDevice":     {body: `{"name":"Pump 12","externalId":"PX4-001873","location":"Leipzig","tags":{"site":"leipzig"}}`, status: 201},
	"listDevices":         {status: 200},
	"getDevice":           {status: 200},
	"updateDevice":        {body: `{"name":"Pump 12 B","tags":{"site":"leipzig"}}`, status: 200},
	"decommissionDevice":  {status: 204},
	"issueActivationCode": {status: 201},
	"suspendDevice":       {body: `{"reason":"reported stolen"}`, status: 200},
	"resumeDevice":        {body: `{"reason":"found"}`, status: 200},
	"revokeDeviceLogins":  {body: `{"reason":"seen in a log"}`, status: 200},

	"resolveDeviceIdentity": {body: `{"keep":"newest","reason":"the copy is switched off"}`, status: 200},

	"openSession":       {body: `{"deviceId":"{spareId}","type":"diagnostic","description":"no telemetry","expiresInSeconds":600}`, status: 201},
	"listSessions":      {query: "deviceId={deviceId}", status: 200},
	"getSession":        {status: 200},
	"closeSession":      {body: `{"reason":"solved"}`, status: 200},
	"listSessionEvents": {status: 200},

	"proposeCommand":   {body: `{"type":"service.restart","parameters":{"service":"telemetry"},"priority":7,"maxAttempts":2,"deliverWithinSeconds":600}`, status: 201},
	"listCommands":     {status: 200},
	"getCommand":       {status: 200},
	"getCommandOutput": {status: 200},
	"getReceipt":       {path: map[string]string{"commandId": "finishedId"}, status: 200},
	"cancelCommand":    {body: `{"reason":"wrong service"}`, status: 200},
	"retryCommand":     {body: `{"reason":"again"}`, path: map[string]string{"commandId": "finishedId"}, status: 201},
	"decideCommand":    {body: `{"commandId":"{pendingId}","approved":true,"digest":"{digest}","reason":"agreed"}`, status: 200},
	"listApprovals":    {status: 200},
	"withdrawVote":     {body: `{"reason":"a doubt"}`, path: map[string]string{"commandId": "pendingId"}, status: 404},
	"breakGlass":       {body: `{"reason":"the line stands still"}`, path: map[string]string{"commandId": "pendingId"}, status: 403},
	"reviewBreakGlass": {body: `{"comment":"it was necessary"}`, status: 404},

	"listTenantCommands": {query: "deviceId={deviceId}", status: 200},

	"getSystemInfo": {status: 200},
	"getUsage":      {status: 200},
	"getMe":         {status: 200},

	// Requests without an upgrade. The sockets have tests of their own.
	"openDeviceSocket":   {status: 400},
	"openCustomerSocket": {status: 400},
	"issueTicket":        {body: `{"origin":"https://app.example.com"}`, status: 201},
	"listConnections":    {status: 200},
	"closeConnection":    {status: 404},

	"cutOff":      {body: `{"reason":"laptop stolen"}`, status: 204},
	"listCutOffs": {status: 200},

	"createPasskeyOptions": {status: 404},
	"registerPasskey":      {body: `{"name":"key","credential":{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}}`, status: 404},
	"listPasskeys":         {status: 200},
	"deletePasskey":        {status: 404},
	"getRoster":            {status: 200},
	"setRoster":            {body: `{"document":"e30","signatures":[{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"authenticatorData":"AAAA","clientDataJSON":"e30","signature":"AAAA"}}]}`, status: 400},
	"getDeviceTrust":       {status: 200},

	"getPolicy":          {status: 200},
	"setPolicy":          {body: `{"rules":[{"name":"all","effect":"auto"}]}`, status: 200},
	"listPolicyVersions": {status: 200},
	"decidePolicyChange": {body: `{"version":"{change}","approved":false}`, status: 409},
	"evaluatePolicy":     {body: `{"deviceId":"{deviceId}","type":"diagnostic.ping"}`, status: 200},
}

// operation is an operation of the contract, with the rules for calling it.
type operation struct {
	id        string
	method    string
	path      string
	scheme    string // "deviceSession", "customerJWT" or empty
	leastRole string
	spec      *openapi3.Operation
	example   example
	methods   []string // all methods of the path, including those of other templates that match the path
}

func (o operation) takes(header string) bool {
	return o.spec.Parameters.GetByInAndName("header", header) != nil
}

func (o operation) validated() bool { return o.spec.Responses.Status(400) != nil }

// operations reads all operations from the contract. An operation without an example
// fails the test.
func operations(t testing.TB) (all []operation) {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	unused := maps.Clone(examples)
	for path, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			row, found := examples[described.OperationID]
			require.True(t, found, "%s has no row in the table of examples", described.OperationID)
			delete(unused, described.OperationID)
			o := operation{
				id: described.OperationID, method: method, path: path, spec: described, example: row,
				methods: methodsOf(document, path),
			}
			o.leastRole, _ = described.Extensions["x-least-role"].(string)
			for _, requirement := range *described.Security {
				for scheme := range requirement {
					o.scheme = scheme
				}
			}
			all = append(all, o)
		}
	}
	require.Empty(t, unused, "examples of unknown operations")
	return all
}

// methodsOf returns the methods of all templates that a path matches. For example, the
// path .../commands/claim also matches the template .../commands/{commandId}.
func methodsOf(document *openapi3.T, path string) (methods []string) {
	for template, item := range document.Paths.Map() {
		pattern := "^" + placeholder.ReplaceAllString(template, "[^/]+") + "$"
		if regexp.MustCompile(pattern).MatchString(path) {
			methods = append(methods, slices.Collect(maps.Keys(item.Operations()))...)
		}
	}
	return methods
}

// fixture is a tenant with one record of every kind. The field values holds the ids and
// secrets of the records, by placeholder name.
type fixture struct {
	*fleet
	values map[string]string
}

func newFixture(t testing.TB, g *gatewaytest.Gateway, tenantID string) *fixture {
	t.Helper()
	w := &fixture{fleet: newFleetOf(t, g, tenantID), values: map[string]string{}}
	made, err := w.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "not registered"})
	require.NoError(t, err)
	w.values["provisionedId"], w.values["activationCode"] = made.Device.ID, made.ActivationCode
	w.values["deviceId"], w.values["deviceSecret"] = w.device.ID, w.device.Secret
	w.values["change"] = "9" // no change waits: see waitingChange
	w.values["connectionId"], w.values["userId"], w.values["passkeyId"] = "con_"+rand.Text(), "mallory", "AAAA"
	w.values["spareId"] = g.NewDevice(t, w.alice).ID
	w.values["earlierId"] = w.propose(t, review).ID
	_, err = w.alice.CloseSession(t.Context(), w.session, "")
	require.NoError(t, err)
	w.session = w.openSession(t, w.device.ID)
	w.values["sessionId"] = w.session
	w.propose(t, auto)
	finished := w.claim(t)
	_, err = w.device.SubmitResult(t.Context(), finished.ID, succeeded(finished))
	require.NoError(t, err)
	w.propose(t, auto)
	claimed := w.claim(t)
	pending := w.propose(t, review)
	w.values["finishedId"], w.values["commandId"], w.values["claimToken"] = finished.ID, claimed.ID, claimed.ClaimToken
	w.values["pendingId"], w.values["digest"] = pending.ID, pending.Digest
	return w
}

// request returns the valid request for an operation. The values in overrides replace values
// of the fixture.
func (w *fixture) request(o operation, token string, overrides map[string]string) gatewaytest.Request {
	values := maps.Clone(w.values)
	maps.Copy(values, overrides)
	for parameter, name := range o.example.path {
		values[parameter] = values[name]
	}
	path := fill(o.path, values)
	if o.example.query != "" {
		path += "?" + fill(o.example.query, values)
	}
	return gatewaytest.Request{Method: o.method, Path: path, Token: token, Body: fill(o.example.body, values)}
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// fill replaces the placeholders of a template.
func fill(template string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(template, func(found string) string { return values[strings.Trim(found, "{}")] })
}

// token returns a token with the least role that the operation requires. A token
// of a user belongs to carol, who has not proposed the commands of the fixture.
func (w *fixture) token(t testing.TB, o operation) string {
	t.Helper()
	switch o.scheme {
	case "deviceSession":
		return w.Login(t, w.device)
	case "customerJWT":
		return w.Token(w.tenantID, "carol", o.leastRole)
	}
	return ""
}
