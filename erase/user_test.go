package erase_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/erase"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the texts that TestUser erases, and those of another user, which stay.
const (
	aliceName, aliceEmail = "Alice Nakamura", "nakamura@example.com"
	bobName, bobEmail     = "Bob Okafor", "okafor@example.com"
)

// people is a tenant whose users have names. Both users have left their names in every kind of
// record.
type people struct {
	g       *gatewaytest.Gateway
	t       testing.TB
	tenant  string
	alice   *client.CustomerClient
	bob     *client.CustomerClient
	device  gatewaytest.Device
	session string
	socket  *gatewaytest.Socket

	approved, rejected, pending client.Command // alice has proposed the first and the last, and rejected bob's
}

func newPeople(t testing.TB, g *gatewaytest.Gateway, tenantID string) *people {
	t.Helper()
	token := func(user, name, email string) string {
		return g.Issuer.Token(issuer.Claims{Subject: user, TenantID: tenantID, Role: "admin", Name: name, Email: email})
	}
	alice := token("alice", aliceName, aliceEmail)
	p := &people{
		g: g, t: t, tenant: gatewaytest.TenantOf(tenantID),
		alice: g.Customer(client.Bearer(alice)), bob: g.Customer(client.Bearer(token("bob", bobName, bobEmail))),
	}
	p.socket = g.OpenCustomer(t, alice)
	p.device = g.NewDevice(t, p.alice)
	opened, err := p.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: p.device.ID, Type: "remediation"}, client.WithIdempotencyKey("open"))
	require.NoError(t, err)
	p.session = opened.ID
	p.approved, p.rejected, p.pending = p.propose(p.alice, "one"), p.propose(p.bob, "two"), p.propose(p.alice, "three")
	p.decide(p.bob, p.approved, true)
	p.decide(p.alice, p.rejected, false)
	p.cutOff(p.alice, "mallory")
	p.cutOff(p.bob, "trudy")
	return p
}

func (p *people) cutOff(user *client.CustomerClient, id string) {
	p.t.Helper()
	require.NoError(p.t, user.CutOff(p.t.Context(), id, client.CutOffRequest{Reason: "left"}))
}

func (p *people) propose(user *client.CustomerClient, key string) client.Command {
	p.t.Helper()
	proposed, err := user.Propose(p.t.Context(), p.session, client.ProposeCommandRequest{
		Type: "config.set", Parameters: json.RawMessage(`{}`),
	}, client.WithIdempotencyKey(key))
	require.NoError(p.t, err)
	return proposed
}

func (p *people) decide(user *client.CustomerClient, c client.Command, approved bool) {
	p.t.Helper()
	_, err := user.Decide(p.t.Context(), p.session, client.DecisionRequest{CommandID: c.ID, Approved: approved, Digest: c.Digest})
	require.NoError(p.t, err)
}

// streams returns the timeline and the event stream, without the names of alice.
func (p *people) streams(server *storetest.Server) (all [][]store.Event) {
	p.t.Helper()
	for _, key := range []string{store.Device{Tenant: p.tenant, ID: p.device.ID}.TimelineKey(), store.Tenant(p.tenant).StreamKey()} {
		entries, err := server.Client(p.t).XRange(context.Background(), key, "-", "+").Result()
		require.NoError(p.t, err)
		var events []store.Event
		for _, entry := range entries {
			e := store.ParseEvent(entry)
			if e.Actor == "user:alice" {
				e.Name, e.Email = "", ""
			}
			events = append(events, e)
		}
		all = append(all, events)
	}
	return all
}

// startPeople starts a gateway with two tenants in one partition that have users with the same ids.
func startPeople(t testing.TB) (server *storetest.Server, s *store.Store, mine, theirs *people) {
	t.Helper()
	server = storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), func(cfg *gateway.Config) {
		cfg.ReconcileInterval, cfg.Sockets.Lease, cfg.Sockets.RenewEvery = 0, 2*time.Hour, time.Hour
	})
	id := gatewaytest.NewTenantID()
	mine, theirs = newPeople(t, g, id), newPeople(t, g, gatewaytest.NeighbourOf(id))
	return server, storetest.Connect(t, store.Config{URL: server.URL(), Existing: true}), mine, theirs
}

// aliceReport returns the report on alice in a tenant of startPeople. She has opened a session, proposed
// two commands and rejected one, cut a user off, and sent three requests with an Idempotency-Key.
func aliceReport(events int) erase.NamesReport {
	return erase.NamesReport{Commands: 3, Sessions: 1, Events: events, CutOffs: 1, Answers: 3, Sockets: 1}
}

func TestUser_LeavesNoName(t *testing.T) {
	t.Parallel()
	server, s, mine, theirs := startPeople(t)
	others := mentions(t, server, bobName, bobEmail)
	before := storetest.Dump(t, server)
	would, err := erase.New(erase.Config{Store: s, DryRun: true}).User(t.Context(), mine.tenant, "alice")
	require.NoError(t, err)
	require.Equal(t, before, storetest.Dump(t, server), "a dry run has changed the store")
	events := 0
	for _, stream := range mine.streams(server) {
		for _, e := range stream {
			if e.Actor == "user:alice" {
				events++
			}
		}
	}
	require.Equal(t, aliceReport(events), would)

	want := mine.streams(server)
	done, err := erase.New(erase.Config{Store: s}).User(t.Context(), mine.tenant, "alice")
	require.NoError(t, err)
	require.Equal(t, would, done)
	require.Equal(t, want, mine.streams(server), "ids, order and everything else stay")
	for _, key := range mentions(t, server, aliceName, aliceEmail) {
		require.True(t, strings.Contains(key, theirs.tenant) || strings.Contains(key, theirs.device.ID) || strings.Contains(key, theirs.session), key)
	}
	require.ElementsMatch(t, others, mentions(t, server, bobName, bobEmail), "the names of another user")
	requireClean(t, s)
	require.Equal(t, 4003, mine.socket.CloseCode())

	again, err := erase.New(erase.Config{Store: s}).User(t.Context(), mine.tenant, "alice")
	require.NoError(t, err)
	require.Zero(t, again)
	all, err := erase.New(erase.Config{Store: s}).User(t.Context(), "", "alice")
	require.NoError(t, err)
	require.Equal(t, done, all, "the names in the other tenant")
	require.Empty(t, mentions(t, server, aliceName, aliceEmail))
	requireClean(t, s)
}

// TestUser_RecordsGoOn requires that ids, repeated requests, decisions and claims work on records
// without names.
func TestUser_RecordsGoOn(t *testing.T) {
	t.Parallel()
	_, s, mine, _ := startPeople(t)
	_, err := erase.New(erase.Config{Store: s}).User(t.Context(), "", "alice")
	require.NoError(t, err)

	require.Equal(t, mine.pending.ID, mine.propose(mine.alice, "three").ID, "a repeated proposal creates no command")
	opened, err := mine.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: mine.device.ID, Type: "remediation"}, client.WithIdempotencyKey("open"))
	require.NoError(t, err)
	require.Equal(t, []string{mine.session, "alice", ""}, []string{opened.ID, opened.CreatedByActor.ID, opened.CreatedByActor.Name})
	mine.decide(mine.bob, mine.pending, true)
	claimed, err := mine.device.Claim(t.Context(), client.ClaimRequest{Limit: 10, VisibilityTimeoutMs: 60_000})
	require.NoError(t, err)
	require.Len(t, claimed, 2, "the commands are the ones that were proposed and approved")
	require.Equal(t, []string{"alice", "", "", bobName}, mine.names(mine.pending))
	require.Equal(t, []string{"alice", "", "", bobName}, mine.names(mine.approved))
	require.Equal(t, []string{"bob", bobName, bobEmail, ""}, mine.names(mine.rejected))
	requireClean(t, s)
}

// names returns the id, the name and the e-mail address of the proposer, and the name of the approver.
func (p *people) names(c client.Command) []string {
	p.t.Helper()
	found, err := p.bob.Command(p.t.Context(), p.session, c.ID)
	require.NoError(p.t, err)
	by := found.ProposedByActor
	return []string{by.ID, by.Name, by.Email, found.Approval.DecidedByActor.Name}
}

// TestUser_AnswersExpire requires that the answers whose names are erased expire as before.
func TestUser_AnswersExpire(t *testing.T) {
	t.Parallel()
	server, s, _, _ := startPeople(t)
	_, err := erase.New(erase.Config{Store: s}).User(t.Context(), "", "alice")
	require.NoError(t, err)
	keys, err := server.Client(t).Keys(t.Context(), "fg:*:idempotency:*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		require.Positive(t, server.Client(t).PTTL(t.Context(), key).Val(), key)
	}
}

// TestUser_KeepsWhatChangesMeanwhile changes records after they were read and before the script runs.
func TestUser_KeepsWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := startPeople(t)
	approved := between(t, server, "reconcile_records", func() { mine.decide(mine.bob, mine.pending, true) })
	_, err := erase.New(erase.Config{Store: approved}).User(t.Context(), mine.tenant, "alice")
	require.NoError(t, err)
	require.Equal(t, []string{"alice", "", "", bobName}, mine.names(mine.pending))

	mine.cutOff(mine.alice, "mallory")
	again := between(t, server, "read_cut_off_names", func() { mine.cutOff(mine.bob, "mallory") })
	_, err = erase.New(erase.Config{Store: again}).User(t.Context(), mine.tenant, "alice")
	require.NoError(t, err)
	details := server.Client(t).HGetAll(t.Context(), store.Tenant(mine.tenant).CutOffDetailsKey()).Val()
	require.Contains(t, details["user:mallory"], bobName)
	requireClean(t, s)
}

// TestUser_LosesNoEventOfGateway erases names again and again while the user proposes commands.
func TestUser_LosesNoEventOfGateway(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := startPeople(t)
	const proposals = 40
	proposed := make(chan error, 1)
	go func() {
		for i := range proposals {
			_, err := mine.alice.Propose(t.Context(), mine.session, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: json.RawMessage(`{}`)})
			if err != nil {
				proposed <- fmt.Errorf("proposal %d: %w", i, err)
				return
			}
		}
		proposed <- nil
	}()
	for running := true; running; {
		select {
		case err := <-proposed:
			require.NoError(t, err)
			running = false
		default:
			_, err := erase.New(erase.Config{Store: s}).User(t.Context(), mine.tenant, "alice")
			require.NoError(t, err)
		}
	}
	for _, events := range mine.streams(server) {
		found := map[string]bool{}
		for _, e := range events {
			if e.Type == "command.proposed" {
				found[e.Command] = true
			}
		}
		require.Len(t, found, proposals+3)
	}
	_, err := erase.New(erase.Config{Store: s}).User(t.Context(), "", "alice")
	require.NoError(t, err)
	require.Empty(t, mentions(t, server, aliceName, aliceEmail))
	requireClean(t, s)
}

// TestUser_ReportsUnreadableRecords damages records: the others lose the names all the same.
func TestUser_ReportsUnreadableRecords(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := startPeople(t)
	d := store.Device{Tenant: mine.tenant, ID: mine.device.ID}
	damaged := store.SessionKey(store.NewID(store.KindSession, store.PartitionOf(mine.tenant)))
	require.NoError(t, server.Client(t).HSet(t.Context(), d.CommandsKey(), mine.pending.ID, `{"proposer":"user:alice","proposer_name":"`+aliceName).Err())
	require.NoError(t, server.Client(t).Set(t.Context(), damaged, aliceName, 0).Err())
	require.NoError(t, server.Client(t).RPush(t.Context(), store.IdempotencyKeys(mine.tenant, "damaged")[0], "nonsense").Err())
	report, err := erase.New(erase.Config{Store: s}).User(t.Context(), "", "alice")
	require.NoError(t, err)
	require.Equal(t, 3, report.Unreadable)
	require.ElementsMatch(t, []string{d.CommandsKey(), damaged}, mentions(t, server, aliceName, aliceEmail))
}
