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

// maxBody is how large a body may be, in bytes.
const maxBody = 2 << 20

// TestContract_EveryOperationRefusesInvalidRequests walks the contract: on
// each operation it tries everything that must be refused, and then the right
// request, which must still be served as if nothing had been tried.
func TestContract_EveryOperationRefusesInvalidRequests(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		stranger := newWorld(t, g, gatewaytest.NewCustomerID())
		neighbour := newWorld(t, g, gatewaytest.NewCustomerID())
		before := [2]string{stranger.everything(t), neighbour.everything(t)}
		for _, o := range operations(t) {
			own := gatewaytest.NeighbourOf(neighbour.customer)
			w := walk{
				operation: o, world: newWorld(t, g, own), sibling: newWorld(t, g, own),
				stranger: stranger, neighbour: neighbour,
			}
			t.Run(o.id, func(t *testing.T) { w.run(t) })
		}
		require.Equal(t, before, [2]string{stranger.everything(t), neighbour.everything(t)}, "somebody else's were changed")
	})
}

// walk tries everything on one operation.
type walk struct {
	operation
	*world
	sibling   *world // another device of the same tenant
	stranger  *world // another tenant
	neighbour *world // another tenant, in the same partition
}

func (w walk) run(t *testing.T) {
	token := w.token(t, w.operation)
	right := w.call(w.operation, token, nil)
	w.refusesOtherMethods(t, right)
	if w.scheme != "" {
		w.refusesOtherCallers(t, right)
	}
	if w.leastRole != "" && w.leastRole != customer.Viewer.String() {
		w.refusesLesserRoles(t, right)
	}
	w.hidesWhatIsNotTheCallers(t, token)
	if w.validated() {
		w.refusesOtherParameters(t, right)
	} else {
		w.ignoresParameters(t, right)
	}
	if right.Body != "" {
		w.refusesOtherBodies(t, right)
		w.refusesOtherContents(t, right)
		w.refusesLargeBodies(t, right)
	}
	answer := w.Do(t, right)
	require.Equal(t, w.example.answers, answer.Status, "the right request: %s", answer.Body)
}

func (w walk) refuse(t *testing.T, what string, c gatewaytest.Request, status int, code client.ProblemCode) gatewaytest.Response {
	t.Helper()
	answer := w.Do(t, c)
	require.Equal(t, status, answer.Status, "%s: %s", what, answer.Body)
	require.Equal(t, code, answer.Problem.Code, what)
	return answer
}

func (w walk) refusesOtherMethods(t *testing.T, right gatewaytest.Request) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.Contains(w.methods, method) {
			continue
		}
		wrong := gatewaytest.Request{Method: method, Path: right.Path, Token: right.Token}
		answer := w.refuse(t, method, wrong, http.StatusMethodNotAllowed, client.CodeMethodNotAllowed)
		allowed := strings.Split(answer.Header.Get("Allow"), ", ")
		require.Subset(t, allowed, w.methods)
		require.NotContains(t, allowed, method)
	}
}

func (w walk) refusesOtherCallers(t *testing.T, right gatewaytest.Request) {
	for what, headers := range map[string][]string{
		"no credentials":    nil,
		"another scheme":    {"Basic YWxpY2U6c2VjcmV0"},
		"no token":          {"Bearer"},
		"an empty token":    {"Bearer "},
		"a malformed token": {"Bearer not-a-token"},
		"a token that ended": {
			"Bearer " + w.endedToken(t),
		},
		"the other kind of token":    {"Bearer " + w.otherToken(t)},
		"the token without a scheme": {right.Token},
		"the token twice":            {"Bearer " + right.Token, "Bearer " + right.Token},
		"the token changed":          {"Bearer " + right.Token[:len(right.Token)-8] + "AAAAAAAA"},
	} {
		wrong := right
		wrong.Token, wrong.Header = "", http.Header{"Authorization": headers}
		answer := w.refuse(t, what, wrong, http.StatusUnauthorized, client.CodeUnauthorized)
		require.Contains(t, answer.Header.Get("WWW-Authenticate"), `Bearer realm="fieldgate"`, what)
	}
}

// endedToken is one that was good.
func (w walk) endedToken(t *testing.T) string {
	if w.scheme == "customerJWT" {
		return w.Issuer.Token(issuer.Claims{
			Subject: "carol", TenantID: w.customer, Role: "admin", IssuedAt: time.Now().Add(-2 * time.Hour),
		})
	}
	token := w.Login(t, w.device)
	require.NoError(t, w.DeviceWithToken(client.Bearer(token)).Logout(t.Context()))
	return token
}

// otherToken is good for the operations of the other kind.
func (w walk) otherToken(t *testing.T) string {
	if w.scheme == "customerJWT" {
		return w.Login(t, w.device)
	}
	return w.Token(w.customer, "alice", "admin")
}

func (w walk) refusesLesserRoles(t *testing.T, right gatewaytest.Request) {
	least, err := customer.ParseRole(w.leastRole)
	require.NoError(t, err)
	for _, role := range []string{(least - 1).String(), "none", "ADMIN", ""} {
		wrong := right
		wrong.Token = w.Token(w.customer, "carol", role)
		w.refuse(t, "the role "+role, wrong, http.StatusForbidden, client.CodeInsufficientRole)
	}
}

// hidesWhatIsNotTheCallers puts into every place that takes an id what is not
// the caller's. All answers must be the one that a missing id gets.
func (w walk) hidesWhatIsNotTheCallers(t *testing.T, token string) {
	for _, slots := range w.slots() {
		answers := map[string]bool{}
		for what, values := range w.foreign(slots) {
			answer := w.Do(t, w.call(w.operation, token, values))
			require.Equal(t, w.statusOfMissing(), answer.Status, "%s in %v: %s", what, slots, answer.Body)
			answers[withoutRequestID(t, answer)] = true
		}
		require.Len(t, answers, 1, "the answers tell what is there")
	}
}

// slots are the places of the example that take an id: each alone, and all together.
func (w walk) slots() (all [][]string) {
	var every []string
	for _, found := range name.FindAllStringSubmatch(w.path+w.example.body+w.example.query, -1) {
		slot := found[1]
		if instead := w.example.path[slot]; instead != "" {
			slot = instead
		}
		if strings.HasSuffix(slot, "Id") {
			every = append(every, slot)
			all = append(all, []string{slot})
		}
	}
	if len(every) > 1 {
		all = append(all, every)
	}
	return all
}

// foreign gives, for some slots, ids that are not the caller's.
func (w walk) foreign(slots []string) map[string]map[string]string {
	missing, malformed := map[string]string{}, map[string]string{}
	for _, slot := range slots {
		kind, _, _ := strings.Cut(w.values[slot], "_")
		missing[slot] = store.NewID(kind, gatewaytest.PartitionOf(w.customer))
		malformed[slot] = "nothing-like-an-id"
	}
	ids := map[string]map[string]string{
		"a missing id":                           missing,
		"no id at all":                           malformed,
		"another tenant's":                       w.stranger.only(slots),
		"another tenant's of the same partition": w.neighbour.only(slots),
	}
	if len(slots) == 1 && strings.HasPrefix(w.values[slots[0]], "cmd_") {
		ids["another device's"] = w.sibling.only(slots)
		if strings.Contains(w.path, "{sessionId}") {
			ids["another session's"] = map[string]string{slots[0]: w.values["earlierId"]}
		}
	}
	return ids
}

func (w *world) only(slots []string) map[string]string {
	values := map[string]string{}
	for _, slot := range slots {
		values[slot] = w.values[slot]
	}
	return values
}

// statusOfMissing is 404, but where an id is a part of credentials, and where it
// only chooses.
func (w walk) statusOfMissing() int {
	switch {
	case w.scheme == "":
		return http.StatusUnauthorized
	case w.example.query != "":
		return http.StatusOK
	}
	return http.StatusNotFound
}

func withoutRequestID(t *testing.T, answer gatewaytest.Response) string {
	t.Helper()
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(answer.Body), &document))
	delete(document, "requestId")
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return answer.Header.Get("Content-Type") + " " + string(text)
}

// everything is what a tenant can read of its own, for comparing.
func (w *world) everything(t testing.TB) string {
	t.Helper()
	var all []any
	read := func(value any, err error) {
		require.NoError(t, err)
		all = append(all, value)
	}
	for _, id := range []string{"deviceId", "provisionedId", "spareId"} {
		d, err := w.alice.Device(t.Context(), w.values[id])
		d.LastSeen = time.Time{}
		read(d, err)
	}
	read(w.alice.Session(t.Context(), w.session))
	read(w.alice.Events(t.Context(), w.session, client.ListSessionEventsParams{}))
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}
