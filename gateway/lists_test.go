package gateway_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// ids returns the ids of all items of a list. It reads the list to its end.
func ids[T any](t testing.TB, list iter.Seq2[T, error], id func(T) string) (all []string) {
	t.Helper()
	for item, err := range list {
		require.NoError(t, err)
		all = append(all, id(item))
	}
	return all
}

func nameOf(d client.Device) string { return d.Name }

func TestListDevices_FiltersAndPages(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
		var all []string
		for i := range 7 {
			made, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{
				Name: fmt.Sprintf("Pump %d", i), ExternalID: fmt.Sprintf("serial-%d", i),
				Tags: client.Tags{"site": []string{"leipzig", "jena"}[i%2]},
			})
			require.NoError(t, err)
			all = append(all, made.Device.Name)
			if i == 3 {
				_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: made.ActivationCode})
				require.NoError(t, err)
			}
		}
		slices.Reverse(all)
		active, byTag, byKey, none, text, serial := client.DeviceStatusActive, "site:jena", "site", "site:mars", "pUMP 5", "SERIAL-6"
		two := 2
		for name, c := range map[string]struct {
			filter client.ListDevicesParams
			want   []string
		}{
			"all, newest first":  {client.ListDevicesParams{}, all},
			"by status":          {client.ListDevicesParams{Status: active}, []string{"Pump 3"}},
			"by tag and value":   {client.ListDevicesParams{Tag: byTag}, []string{"Pump 5", "Pump 3", "Pump 1"}},
			"by tag":             {client.ListDevicesParams{Tag: byKey}, all},
			"by an unused value": {client.ListDevicesParams{Tag: none}, nil},
			"by name":            {client.ListDevicesParams{Q: text}, []string{"Pump 5"}},
			"by external id":     {client.ListDevicesParams{Q: serial}, []string{"Pump 6"}},
			"by all filters":     {client.ListDevicesParams{Status: active, Tag: byTag, Q: all[3]}, []string{"Pump 3"}},
		} {
			require.Equal(t, c.want, ids(t, alice.AllDevices(t.Context(), c.filter), nameOf), name)
			c.filter.Limit = two
			require.Equal(t, c.want, ids(t, alice.AllDevices(t.Context(), c.filter), nameOf), name+", two a page")
		}
		page, err := alice.Devices(t.Context(), client.ListDevicesParams{Limit: two})
		require.NoError(t, err)
		require.Len(t, page.Items, two)
		require.NotEmpty(t, page.NextCursor)
	})
}

func TestList_PagesSessionsCommandsAndEvents(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		sessions, commands := []string{f.session}, []string(nil)
		for range 4 {
			_, err := f.alice.CloseSession(t.Context(), sessions[0], "")
			require.NoError(t, err)
			f.session = f.openSession(t, f.device.ID)
			sessions = append([]string{f.session}, sessions...)
		}
		other := newFleetOf(t, g, f.tenantID)
		for range 5 {
			commands = append(commands, f.propose(t, auto).ID)
		}

		two, active, closed := 2, client.SessionStatusActive, client.SessionStatusClosed
		sessionID := func(s client.Session) string { return s.ID }
		list := func(p client.ListSessionsParams) []string {
			p.Limit = two
			return ids(t, f.alice.AllSessions(t.Context(), p), sessionID)
		}
		require.Equal(t, append([]string{other.session}, sessions...), list(client.ListSessionsParams{}))
		require.Equal(t, sessions, list(client.ListSessionsParams{DeviceID: f.device.ID}))
		require.Equal(t, sessions[1:], list(client.ListSessionsParams{Status: closed}))
		require.Equal(t, sessions[:1], list(client.ListSessionsParams{DeviceID: f.device.ID, Status: active}))

		commandID := func(c client.Command) string { return c.ID }
		require.Equal(t, commands, ids(t, f.alice.AllCommands(t.Context(), f.session, client.ListCommandsParams{Limit: two}), commandID))
		found, err := f.alice.Session(t.Context(), f.session)
		require.NoError(t, err)
		require.Equal(t, commands, ids(t, withoutErrors(found.Commands), commandID))
		eventID := func(e client.Event) string { return e.ID }
		events := ids(t, f.alice.AllEvents(t.Context(), f.session, client.ListSessionEventsParams{Limit: two}), eventID)
		require.Len(t, slices.Compact(events), 6)
	})
}

func TestListTenantCommands_OfAllDevices(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		other := newFleetOf(t, g, f.tenantID)
		newFleet(t, g).propose(t, auto)
		first, waiting, last := f.propose(t, auto), f.propose(t, review), other.propose(t, auto)
		list := func(p client.ListTenantCommandsParams) []string {
			p.Limit = 1
			return ids(t, f.alice.AllTenantCommands(t.Context(), p), func(c client.Command) string { return c.ID })
		}
		statuses := []client.CommandStatus{client.CommandStatusQueued, client.CommandStatusFailed}
		require.Equal(t, []string{last.ID, waiting.ID, first.ID}, list(client.ListTenantCommandsParams{}))
		require.Equal(t, []string{last.ID, first.ID}, list(client.ListTenantCommandsParams{Status: statuses}))
		require.Equal(t, []string{first.ID}, list(client.ListTenantCommandsParams{Status: statuses, DeviceID: f.device.ID}))
		require.Equal(t, []string{last.ID}, list(client.ListTenantCommandsParams{Since: last.CreatedAt}))
		require.Equal(t, []string{waiting.ID}, list(client.ListTenantCommandsParams{Type: review[:2] + "*", SessionID: f.session}))
	})
}

// TestListTenantCommands_SeparatedByCommas sends the list of statuses as people write it by hand.
func TestListTenantCommands_SeparatedByCommas(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	f.propose(t, auto)
	for query, status := range map[string]int{"status=failed,queued": 200, "status=failed&status=queued": 200, "status=failed,lost": 400, "status=": 400, "since=yesterday": 400, "type=a*b": 400} {
		response := f.Do(t, gatewaytest.Request{
			Method: "GET", Path: "/api/v1/customer/commands?" + query, Token: f.Token(f.tenantID, "vera", "viewer"),
		})
		require.Equal(t, status, response.Status, "%s: %s", query, response.Body)
		require.Equal(t, status == 200, strings.Contains(string(response.Body), `"status":"queued"`), query)
	}
}

func TestSession_CommandsAreNewest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	var commands []string
	propose := func(n int) client.Session {
		for range n {
			commands = append(commands, f.propose(t, auto).ID)
		}
		found, err := f.alice.Session(t.Context(), f.session)
		require.NoError(t, err)
		return found
	}
	commandID := func(c client.Command) string { return c.ID }
	found := propose(50)
	require.False(t, found.CommandsTruncated)
	require.Empty(t, found.NextCursor)
	require.Equal(t, commands, ids(t, withoutErrors(found.Commands), commandID))

	found = propose(2)
	require.True(t, found.CommandsTruncated)
	require.Equal(t, commands[2:], ids(t, withoutErrors(found.Commands), commandID))
	rest := f.alice.AllCommands(t.Context(), f.session, client.ListCommandsParams{Cursor: found.NextCursor})
	require.Equal(t, []string{commands[1], commands[0]}, ids(t, rest, commandID))

	newest := slices.Clone(commands)
	slices.Reverse(newest)
	all := f.alice.AllCommands(t.Context(), f.session, client.ListCommandsParams{Order: client.CommandOrderNewest, Limit: 20})
	require.Equal(t, newest, ids(t, all, commandID))
}

// TestListCommands_CursorKeepsOrder uses the cursor of one order with the other.
func TestListCommands_CursorKeepsOrder(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	f.propose(t, auto)
	f.propose(t, auto)
	orders := []client.CommandOrder{client.CommandOrderOldest, client.CommandOrderNewest}
	for i, order := range orders {
		page, err := f.alice.Commands(t.Context(), f.session, client.ListCommandsParams{Order: order, Limit: 1})
		require.NoError(t, err)
		_, err = f.alice.Commands(t.Context(), f.session, client.ListCommandsParams{Order: order, Cursor: page.NextCursor})
		require.NoError(t, err)
		_, err = f.alice.Commands(t.Context(), f.session, client.ListCommandsParams{Order: orders[1-i], Cursor: page.NextCursor})
		require.Equal(t, client.CodeValidationFailed, client.CodeOf(err))
	}
}

// withoutErrors returns an iterator over the items of a slice, each with a nil error. The
// function ids accepts such an iterator.
func withoutErrors[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func TestSystemInfo_HoldsNoSecretAndNoAddress(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		info, err := g.User(gatewaytest.NewTenantID(), "vera", "viewer").SystemInfo(t.Context())
		require.NoError(t, err)
		require.Contains(t, []string{"embedded", "standalone"}, info.Services.Redis.Mode)
		require.True(t, info.Services.Redis.Ok && info.Services.Supabase.Ok)
		require.Equal(t, []string{"test", "test"}, []string{info.Version, info.Environment})
		require.NotEmpty(t, info.Build.Go)
		text, err := json.Marshal(info)
		require.NoError(t, err)
		for _, address := range []string{storetest.SharedURL(t), g.URL, g.Issuer.URL(), g.MetricsURL} {
			require.NotContains(t, string(text), portOf(t, address))
		}
		require.NotContains(t, string(text), "127.0.0.1")
	})
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(parsed.Host)
	require.NoError(t, err)
	return ":" + port
}

// TestListEvents_SinceIsAnyTimeOfTheContract sends times that time.Parse does not accept.
func TestListEvents_SinceIsAnyTimeOfTheContract(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	events := func(since string) int {
		response := f.Do(t, gatewaytest.Request{
			Method: "GET", Path: "/api/v1/customer/sessions/" + f.session + "/events?since=" + url.QueryEscape(since),
			Token: f.Token(f.tenantID, "vera", "viewer"),
		})
		require.Equal(t, 200, response.Status, "%s: %s", since, response.Body)
		var list struct{ Items []json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(response.Body), &list))
		return len(list.Items)
	}

	for _, past := range []string{"2016-12-31t23:59:59z", "2016-12-31T23:59:60Z", "2017-01-01T00:59:60.5+01:00"} {
		require.Equal(t, 1, events(past), past)
	}
	require.Zero(t, events("9998-12-31t23:59:60z"))
}
