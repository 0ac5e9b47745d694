package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
)

// maxBody is the largest allowed request body, in bytes.
const maxBody = 2 << 20

// TestContract_EveryOperationRefusesInvalidRequests sends each kind of invalid request to every
// operation, and then a valid request. The valid request must succeed, so the invalid ones must
// have had no effect.
func TestContract_EveryOperationRefusesInvalidRequests(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		stranger := newFixture(t, g, gatewaytest.NewTenantID())
		neighbour := newFixture(t, g, gatewaytest.NewTenantID())
		before := [2]string{stranger.snapshot(t), neighbour.snapshot(t)}
		for _, o := range operations(t) {
			own := gatewaytest.NeighbourOf(neighbour.tenantID)
			p := probe{
				operation: o, fixture: newFixture(t, g, own), sibling: newFixture(t, g, own),
				stranger: stranger, neighbour: neighbour,
			}
			t.Run(o.id, func(t *testing.T) { p.run(t) })
		}
		require.Equal(t, before, [2]string{stranger.snapshot(t), neighbour.snapshot(t)}, "records of another tenant were changed")
	}, withSigningKey)
}

// probe sends invalid requests to one operation.
type probe struct {
	operation
	*fixture
	sibling   *fixture // another device of the same tenant
	stranger  *fixture // another tenant
	neighbour *fixture // another tenant, in the same partition
}

func (p probe) run(t *testing.T) {
	token := p.token(t, p.operation)
	valid := p.request(p.operation, token, nil)
	p.refusesOtherMethods(t, valid)
	if p.scheme != "" {
		p.refusesOtherCallers(t, valid)
	}
	if p.leastRole != "" && p.leastRole != customer.Viewer.String() {
		p.refusesLesserRoles(t, valid)
	}
	p.hidesForeignIDs(t, token)
	if p.validated() {
		p.refusesInvalidParameters(t, valid)
	} else {
		p.ignoresParameters(t, valid)
	}
	if valid.Body != "" {
		p.refusesInvalidBodies(t, valid)
		p.refusesOtherMediaTypes(t, valid)
		p.refusesLargeBodies(t, valid)
	}
	response := p.Do(t, valid)
	require.Equal(t, p.example.status, response.Status, "the valid request: %s", response.Body)
}

func (p probe) requireRefused(t *testing.T, what string, r gatewaytest.Request, status int, code client.ProblemCode) gatewaytest.Response {
	t.Helper()
	response := p.Do(t, r)
	require.Equal(t, status, response.Status, "%s: %s", what, response.Body)
	require.Equal(t, code, response.Problem.Code, what)
	return response
}

func (p probe) refusesOtherMethods(t *testing.T, valid gatewaytest.Request) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.Contains(p.methods, method) {
			continue
		}
		invalid := gatewaytest.Request{Method: method, Path: valid.Path, Token: valid.Token}
		response := p.requireRefused(t, method, invalid, http.StatusMethodNotAllowed, client.CodeMethodNotAllowed)
		allowed := strings.Split(response.Header.Get("Allow"), ", ")
		require.Subset(t, allowed, p.methods)
		require.NotContains(t, allowed, method)
	}
}

func (p probe) refusesOtherCallers(t *testing.T, valid gatewaytest.Request) {
	for what, headers := range map[string][]string{
		"no credentials":             nil,
		"another scheme":             {"Basic YWxpY2U6c2VjcmV0"},
		"no token":                   {"Bearer"},
		"an empty token":             {"Bearer "},
		"a malformed token":          {"Bearer not-a-token"},
		"an expired token":           {"Bearer " + p.expiredToken(t)},
		"the other kind of token":    {"Bearer " + p.otherToken(t)},
		"the token without a scheme": {valid.Token},
		"the token twice":            {"Bearer " + valid.Token, "Bearer " + valid.Token},
		"the token changed":          {"Bearer " + valid.Token[:len(valid.Token)-8] + "AAAAAAAA"},
	} {
		invalid := valid
		invalid.Token, invalid.Header = "", http.Header{"Authorization": headers}
		response := p.requireRefused(t, what, invalid, http.StatusUnauthorized, client.CodeUnauthorized)
		require.Contains(t, response.Header.Get("WWW-Authenticate"), `Bearer realm="fieldgate"`, what)
	}
}

// expiredToken returns a token that was valid and has expired or was revoked.
func (p probe) expiredToken(t *testing.T) string {
	if p.scheme == "customerJWT" {
		return p.Issuer.Token(issuer.Claims{
			Subject: "carol", TenantID: p.tenantID, Role: "admin", IssuedAt: time.Now().Add(-2 * time.Hour),
		})
	}
	token := p.Login(t, p.device)
	require.NoError(t, p.DeviceWithToken(client.Bearer(token)).Logout(t.Context()))
	return token
}

// otherToken returns a valid token of the wrong type: a device's token for an operation of
// users, or a user's token for an operation of devices.
func (p probe) otherToken(t *testing.T) string {
	if p.scheme == "customerJWT" {
		return p.Login(t, p.device)
	}
	return p.Token(p.tenantID, "alice", "admin")
}

func (p probe) refusesLesserRoles(t *testing.T, valid gatewaytest.Request) {
	least, err := customer.ParseRole(p.leastRole)
	require.NoError(t, err)
	for _, role := range []string{(least - 1).String(), "none", "ADMIN", ""} {
		invalid := valid
		invalid.Token = p.Token(p.tenantID, "carol", role)
		p.requireRefused(t, "the role "+role, invalid, http.StatusForbidden, client.CodeInsufficientRole)
	}
}

// hidesForeignIDs sends the request with ids that do not belong to the caller. The response
// must be the same as for ids that do not exist.
func (p probe) hidesForeignIDs(t *testing.T, token string) {
	for _, names := range p.idPlaceholders() {
		responses := map[string]bool{}
		for what, values := range p.foreignIDs(names) {
			response := p.Do(t, p.request(p.operation, token, values))
			require.Equal(t, p.statusOfMissing(), response.Status, "%s in %v: %s", what, names, response.Body)
			responses[withoutRequestID(t, response)] = true
		}
		require.Len(t, responses, 1, "the responses reveal which ids exist")
	}
}

// idPlaceholders returns lists of the placeholders that stand for ids in the example. Each
// placeholder is in a list of its own. If there are several, a last list has all of them.
func (p probe) idPlaceholders() (all [][]string) {
	var every []string
	for _, found := range placeholder.FindAllStringSubmatch(p.path+p.example.body+p.example.query, -1) {
		name := p.valueName(found[1])
		if strings.HasSuffix(name, "Id") && name != "userId" { // the token issuer has the users
			every = append(every, name)
			all = append(all, []string{name})
		}
	}
	if len(every) > 1 {
		all = append(all, every)
	}
	return all
}

// foreignIDs returns a map for each kind of foreign ids. The outer key is a description of the
// kind. The inner map has an id for each of the given placeholder names.
func (p probe) foreignIDs(names []string) map[string]map[string]string {
	missing, malformed := map[string]string{}, map[string]string{}
	for _, name := range names {
		kind, _, _ := strings.Cut(p.values[name], "_")
		missing[name] = store.NewID(kind, gatewaytest.PartitionOf(p.tenantID))
		malformed[name] = "nothing-like-an-id"
	}
	ids := map[string]map[string]string{
		"a missing id":                           missing,
		"a malformed id":                         malformed,
		"another tenant's":                       p.stranger.pick(names),
		"another tenant's of the same partition": p.neighbour.pick(names),
	}
	if len(names) == 1 && strings.HasPrefix(p.values[names[0]], "cmd_") {
		ids["another device's"] = p.sibling.pick(names)
		if strings.Contains(p.path, "{sessionId}") {
			ids["another session's"] = map[string]string{names[0]: p.values["earlierId"]}
		}
	}
	return ids
}

func (w *fixture) pick(names []string) map[string]string {
	values := map[string]string{}
	for _, name := range names {
		values[name] = w.values[name]
	}
	return values
}

// statusOfMissing returns the expected status for an id that does not exist. It is 401 if the
// id is part of credentials, 200 if the id only filters a list, and otherwise 404.
func (p probe) statusOfMissing() int {
	switch {
	case p.scheme == "":
		return http.StatusUnauthorized
	case p.example.query != "":
		return http.StatusOK
	}
	return http.StatusNotFound
}

func withoutRequestID(t *testing.T, response gatewaytest.Response) string {
	t.Helper()
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(response.Body), &document))
	delete(document, "requestId")
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return response.Header.Get("Content-Type") + " " + string(text)
}

// snapshot returns the tenant's devices, session and events as JSON. A test compares two
// snapshots to find out whether a record has changed.
func (w *fixture) snapshot(t testing.TB) string {
	t.Helper()
	var all []any
	read := func(value any, err error) {
		require.NoError(t, err)
		all = append(all, value)
	}
	for _, id := range []string{"deviceId", "provisionedId", "spareId"} {
		d, err := w.alice.Device(t.Context(), w.values[id])
		d.LastSeen, d.Presence = time.Time{}, "" // they change with the time that the probes take
		read(d, err)
	}
	read(w.alice.Session(t.Context(), w.session))
	read(w.alice.Events(t.Context(), w.session, client.ListSessionEventsParams{}))
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}
