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

// example is a request that is right. Names in braces stand for what a world
// holds under them.
type example struct {
	body    string            // empty: the operation takes none
	query   string            // a parameter that names something
	path    map[string]string // what a name in the path stands for, unless for itself
	answers int
}

// examples has a row for every operation of the contract. Everything that is
// tried on all operations begins with these.
var examples = map[string]example{
	"getHealth":       {answers: 200},
	"getReadiness":    {answers: 200},
	"getVersion":      {answers: 200},
	"getContractYAML": {answers: 200},
	"getContractJSON": {answers: 200},
	"getDocs":         {answers: 200},

	"getSocketContract": {answers: 200},

	"registerDevice":     {body: `{"activationCode":"{activationCode}","deviceId":"{provisionedId}","metadata":{"model":"PX-400"}}`, answers: 201},
	"authenticateDevice": {body: `{"deviceId":"{deviceId}","deviceSecret":"{deviceSecret}"}`, answers: 200},
	"endDeviceLogin":     {answers: 204},
	"sendHeartbeat":      {body: `{"status":"ok","metrics":{"cpuPercent":12.5},"firmwareVersion":"2.8.1"}`, answers: 200},
	"claimCommands":      {body: `{"limit":1,"visibilityTimeoutMs":60000,"waitMs":0}`, answers: 200},
	"getDeviceCommand":   {answers: 200},
	"extendCommand":      {body: `{"claimToken":"{claimToken}","extensionMs":60000}`, answers: 200},
	"releaseCommand":     {body: `{"claimToken":"{claimToken}","reason":"rebooting"}`, answers: 200},
	"submitResult":       {body: `{"claimToken":"{claimToken}","status":"succeeded","output":"done","data":{"pid":4711},"durationMs":12}`, answers: 200},

	"provisionDevice":     {body: `{"name":"Pump 12","externalId":"PX4-001873","location":"Leipzig","tags":{"site":"leipzig"}}`, answers: 201},
	"listDevices":         {answers: 200},
	"getDevice":           {answers: 200},
	"updateDevice":        {body: `{"name":"Pump 12 B","tags":{"site":"leipzig"}}`, answers: 200},
	"decommissionDevice":  {answers: 204},
	"issueActivationCode": {answers: 201},
	"suspendDevice":       {body: `{"reason":"reported stolen"}`, answers: 200},
	"resumeDevice":        {body: `{"reason":"found"}`, answers: 200},
	"revokeDeviceLogins":  {body: `{"reason":"seen in a log"}`, answers: 200},

	"openSession":       {body: `{"deviceId":"{spareId}","type":"diagnostic","description":"no telemetry","expiresInSeconds":600}`, answers: 201},
	"listSessions":      {query: "deviceId={deviceId}", answers: 200},
	"getSession":        {answers: 200},
	"closeSession":      {body: `{"reason":"solved"}`, answers: 200},
	"listSessionEvents": {answers: 200},

	"proposeCommand": {body: `{"type":"service.restart","parameters":{"service":"telemetry"},"priority":7,"maxAttempts":2,"deliverWithinSeconds":600}`, answers: 201},
	"listCommands":   {answers: 200},
	"getCommand":     {answers: 200},
	"cancelCommand":  {body: `{"reason":"wrong service"}`, answers: 200},
	"retryCommand":   {body: `{"reason":"again"}`, path: map[string]string{"commandId": "finishedId"}, answers: 201},
	"decideCommand":  {body: `{"commandId":"{pendingId}","approved":true,"digest":"{digest}","reason":"agreed"}`, answers: 200},
	"listApprovals":  {answers: 200},

	"getSystemInfo": {answers: 200},

	// Asked without an upgrade; the sockets have tests of their own.
	"openDeviceSocket":   {answers: 400},
	"openCustomerSocket": {answers: 400},
	"issueTicket":        {body: `{"origin":"https://app.example.com"}`, answers: 201},
	"listConnections":    {answers: 200},
	"closeConnection":    {answers: 404},
}

// operation is what the contract says of one, as far as it decides who may call
// it and how.
type operation struct {
	id        string
	method    string
	path      string
	scheme    string // "deviceSession", "customerJWT" or empty
	leastRole string
	spec      *openapi3.Operation
	example   example
	methods   []string // all that the path has, also under another template
}

func (o operation) takes(header string) bool {
	return o.spec.Parameters.GetByInAndName("header", header) != nil
}

func (o operation) validated() bool { return o.spec.Responses.Status(400) != nil }

// operations reads all of them from the contract. One without an example fails
// the test.
func operations(t testing.TB) (all []operation) {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	left := maps.Clone(examples)
	for path, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			row, found := examples[described.OperationID]
			require.True(t, found, "%s has no row in the table of examples", described.OperationID)
			delete(left, described.OperationID)
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
	require.Empty(t, left, "these examples belong to no operation")
	return all
}

// methodsOf gives the methods of all templates that a path matches: GET
// .../commands/claim reads a command that would be called "claim".
func methodsOf(document *openapi3.T, path string) (methods []string) {
	for template, item := range document.Paths.Map() {
		pattern := "^" + name.ReplaceAllString(template, "[^/]+") + "$"
		if regexp.MustCompile(pattern).MatchString(path) {
			methods = append(methods, slices.Collect(maps.Keys(item.Operations()))...)
		}
	}
	return methods
}

// world is a tenant with something of every kind, by the names of the examples.
type world struct {
	*fleet
	values map[string]string
}

func newWorld(t testing.TB, g *gatewaytest.Gateway, customer string) *world {
	t.Helper()
	w := &world{fleet: newFleetOf(t, g, customer), values: map[string]string{}}
	made, err := w.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "not registered"})
	require.NoError(t, err)
	w.values["provisionedId"], w.values["activationCode"] = made.Device.ID, made.ActivationCode
	w.values["deviceId"], w.values["deviceSecret"] = w.device.ID, w.device.Secret
	w.values["connectionId"] = "con_" + rand.Text()
	w.values["spareId"] = g.NewDevice(t, w.alice).ID
	w.values["earlierId"] = w.propose(t, review).ID
	_, err = w.alice.CloseSession(t.Context(), w.session, "")
	require.NoError(t, err)
	w.session = w.open(t, w.device.ID)
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

// call writes the right request for an operation. Values stand in for those of
// the world.
func (w *world) call(o operation, token string, instead map[string]string) gatewaytest.Request {
	values := maps.Clone(w.values)
	maps.Copy(values, instead)
	for inPath, name := range o.example.path {
		values[inPath] = values[name]
	}
	path := fill(o.path, values)
	if o.example.query != "" {
		path += "?" + fill(o.example.query, values)
	}
	return gatewaytest.Request{Method: o.method, Path: path, Token: token, Body: fill(o.example.body, values)}
}

var name = regexp.MustCompile(`\{(\w+)\}`)

func fill(template string, values map[string]string) string {
	return name.ReplaceAllStringFunc(template, func(found string) string { return values[strings.Trim(found, "{}")] })
}

// token is one that may call the operation, with no right more than it takes.
// The person is not the one who proposed what is in the world.
func (w *world) token(t testing.TB, o operation) string {
	t.Helper()
	switch o.scheme {
	case "deviceSession":
		return w.Login(t, w.device)
	case "customerJWT":
		return w.Token(w.customer, "carol", o.leastRole)
	}
	return ""
}
