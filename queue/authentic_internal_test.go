package queue

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// proposedOn creates an active device with a session and a command, and returns the record.
func proposedOn(t testing.TB, q *Queue, parameters string) record {
	t.Helper()
	tenant := storetest.Tenant()
	device := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
	session := openSession(t, q.store, device)
	c, err := q.Propose(t.Context(), Proposal{
		Tenant: tenant, SessionID: session, UserID: "u", RequestID: "r", Type: "diagnostic.dns", Parameters: json.RawMessage(parameters),
	})
	require.NoError(t, err)
	r, _, err := q.getOwnRecord(t.Context(), device, c.ID)
	require.NoError(t, err)
	return r
}

// TestSetAside_LeavesCommandThatHasChanged sets a command aside by a state that it does not have
// any more, as if another claim or a decision had come first.
func TestSetAside_LeavesCommandThatHasChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		q := New(Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
		r := proposedOn(t, q, "{}")
		before, err := decodeState(r.state)
		require.NoError(t, err)
		device := store.Device{Tenant: r.tenant, ID: r.deviceID}
		leases, err := q.Claim(t.Context(), ClaimRequest{Device: device, Limit: 1, Visibility: time.Hour})
		require.NoError(t, err)
		require.Len(t, leases, 1)
		require.False(t, q.setAside(t.Context(), r, before, "r"))

		ref := ClaimRef{Device: device, CommandID: r.id, Token: leases[0].Token, RequestID: "r"}
		_, err = q.SubmitResult(t.Context(), ref, Succeeded, Result{})
		require.NoError(t, err)
		finished, _, err := q.getOwnRecord(t.Context(), device, r.id)
		require.NoError(t, err)
		require.False(t, q.setAside(t.Context(), finished, before, "r"), "a finished command was set aside")
	})
}

// TestDecide_ProposerMayNotApproveRecordThatIsChangedMeanwhile changes the proposer after the
// gateway has verified the record, and before the script reads it.
func TestDecide_ProposerMayNotApproveRecordThatIsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		q := New(Config{Store: s, Policy: Policy{{Pattern: "*", Mode: Review}}, Logger: slog.New(slog.DiscardHandler)})
		r := proposedOn(t, q, "{}")
		c, err := q.decode(r)
		require.NoError(t, err)
		before, err := decodeState(r.state)
		require.NoError(t, err)
		mac, proposer := q.vouch(r, before, "approved", "u", evidence{})
		require.NotEmpty(t, mac)
		device := store.Device{Tenant: r.tenant, ID: r.deviceID}
		require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, device.CommandsKey(), r.id, strings.Replace(r.state, "user:u", "user:v", 1)).Err()
		}))
		scope, keys := q.scopeOf(c, "u", fieldgate.Names{}, "r"), []string{store.Tenant(r.tenant).CutOffsKey()}
		_, err = q.runAsUser(t.Context(), decideScript, c, scope, keys, "approved", "", 1, mac, proposer, "", time.Now().UnixMilli(), 1, "", "", "", "", 0, 0)
		var refused *fieldgate.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, fieldgate.CodeSelfApproval, refused.Code)
	})
}

// TestDecide_VouchesOnlyForVerifiedRecord requires that a decision on a record that was not
// verified, because it waited for none, has no MAC.
func TestDecide_VouchesOnlyForVerifiedRecord(t *testing.T) {
	t.Parallel()
	q := &Queue{key: recordkey.New(recordKind, []byte("key"), true, nil)}
	for _, status := range []Status{Queued, Claimed, Rejected} {
		mac, proposer := q.vouch(record{}, state{Status: status, Proposer: "user:u"}, "approved", "v", evidence{})
		require.Empty(t, mac+proposer)
	}
}

func TestRecord_HasExactFields(t *testing.T) {
	t.Parallel()
	for raw, exact := range map[string]bool{
		`{"status":"queued","approve_by":1,"history":[{"Ended":1}],"approval":{"by":"user:u"}}`: true,
		`{"status":"queued","Approve_By":1}`:                                                    false,
		`{"\u0053tatus":"queued"}`:                                                              false,
		`{"\u017ftatus":"queued"}`:                                                              false, // folds to an s
		`{"max":1,"max":9}`:                                                                     false,
		`{"max":1,"\u006dax":9}`:                                                                false,
		`{"approval":{"by":"user:u","By":"user:v"}}`:                                            false,
		`{"approval":{"by":"user:u","by":"user:v"}}`:                                            false,
		`{"approval":{"by":"user:u"},"approval":{}}`:                                            false,
		`{"votes":[{"by":"user:u"},{"by":"user:v"}],"glass":{"By":"user:u"}}`:                   true,
		`{"votes":[{"by":"user:u","By":"user:v"}]}`:                                             false,
		`{"votes":[{"by":"user:u","by":"user:v"}]}`:                                             false,
		`{"votes":{"by":"user:u"}}`:                                                             false,
		`{"votes":[1]}`:                                                                         false,
		`{"approval":null}`:                                                                     false,
		"\x82\xa3max\x01\xa3MAX\x09":                                                            true, // packed: no name is read as another
	} {
		require.Equal(t, exact, hasExactFields(raw), raw)
	}
}

// BenchmarkVerify verifies a record, as each claim does.
func BenchmarkVerify(b *testing.B) {
	for name, size := range map[string]int{"small": 20, "32 KiB": maxParameters - 20} {
		b.Run(name, func(b *testing.B) {
			q := New(Config{Store: storetest.Redis(b)})
			r := proposedOn(b, q, `{"host":"`+strings.Repeat("x", size)+`"}`)
			s, err := decodeState(r.state)
			require.NoError(b, err)
			for b.Loop() {
				require.NoError(b, q.verify(r, s))
			}
		})
	}
}
