package agent

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// updateVectors reports whether the test writes the vectors again, from the cases in receiptvectors_test.go.
var updateVectors = flag.Bool("update-vectors", false, "write testdata/receipts.json again")

// vectorsPath is the file with receipts, for this client and for those in other languages.
const vectorsPath = "../testdata/receipts.json"

// receiptVectors are receipts, and what a device must say about each. Every device has the id DeviceID,
// and the time Now.
type receiptVectors struct {
	About    string          `json:"about"`
	Keys     fieldgateKeys   `json:"keys"`
	DeviceID string          `json:"deviceId"`
	Now      time.Time       `json:"now"`
	Vectors  []receiptVector `json:"vectors"`

	Rosters       map[string]json.RawMessage `json:"rosters"`
	RosterVectors []rosterVector             `json:"rosterVectors"`
}

type fieldgateKeys struct {
	Keys []map[string]string `json:"keys"`
}

// A receiptVector is the receipt and the statement of a claim. Why says what is wrong, and is empty if the
// command may run.
type receiptVector struct {
	Name      string `json:"name"`
	Statement string `json:"statement"`
	Receipt   string `json:"receipt"`
	Approvals int    `json:"approvals,omitempty"` // that the device requires
	Roster    string `json:"roster,omitempty"`    // name of the roster whose passkeys count
	Why       string `json:"why,omitempty"`
}

func readVectors(t testing.TB) receiptVectors {
	t.Helper()
	var vectors receiptVectors
	text, err := os.ReadFile(vectorsPath)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &vectors))
	return vectors
}

// trustOf returns the trust of the device of the vectors.
func (v receiptVectors) trustOf(t testing.TB, approvals int) Trust {
	t.Helper()
	set, err := json.Marshal(v.Keys)
	require.NoError(t, err)
	keys, err := fieldgate.ParseReceiptKeys(set)
	require.NoError(t, err)
	trust := Trust{Keys: keys, Now: func() time.Time { return v.Now }}
	if approvals > 0 {
		trust.Require = map[string]Requirement{"a": {Approvals: approvals}}
	}
	return trust
}

// approversOf returns the trust of the device of the vectors in the mode approvers.
func (v receiptVectors) approversOf(t testing.TB, roster string, approvals int) Trust {
	t.Helper()
	trust := v.trustOf(t, approvals)
	var err error
	trust.Mode = TrustApprovers
	trust.Roster, err = fieldgate.ParseRoster(v.Rosters[roster])
	require.NoError(t, err)
	return trust.withDefaults()
}

// of returns the trust with which the device judges a vector.
func (v receiptVectors) of(t testing.TB, vector receiptVector) Trust {
	t.Helper()
	if vector.Roster == "" {
		return v.trustOf(t, vector.Approvals)
	}
	return v.approversOf(t, vector.Roster, vector.Approvals)
}

func TestTrust_JudgesTheVectors(t *testing.T) {
	t.Parallel()
	if *updateVectors {
		writeVectors(t)
	}
	vectors, names := readVectors(t), map[string]bool{}
	valid := 0
	for _, v := range vectors.Vectors {
		require.False(t, names[v.Name], v.Name)
		names[v.Name] = true
		command := Command{Statement: v.Statement, Receipt: v.Receipt}
		err := vectors.of(t, v).check(command, vectors.DeviceID)
		if v.Why == "" {
			valid++
			require.NoError(t, err, v.Name)
			continue
		}
		require.ErrorContains(t, err, v.Why, v.Name)
	}
	require.GreaterOrEqual(t, valid, 6)
	require.GreaterOrEqual(t, len(vectors.Vectors)-valid, 40)
}

// TestTrust_RefusedCommandNeverRuns claims a command with a receipt that is not enough, one without a
// receipt, and one with a good receipt.
func TestTrust_RefusedCommandNeverRuns(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	claimed := func(name, id string) string {
		for _, v := range vectors.Vectors {
			if v.Name == name {
				return fmt.Sprintf(`{"id":%q,"sessionId":"ses_1","type":"a","maxAttempts":1,"claimToken":"token","leaseRemainingMs":60000,"statement":%q,"receipt":%q}`,
					id, v.Statement, v.Receipt)
			}
		}
		require.Fail(t, "there is no vector "+name)
		return ""
	}
	g := newFakeGateway(t, claimed("approved by one", "cmd_1"), claimedJSON("cmd_2", "a"))
	g.startAgent(t, Config{Trust: vectors.trustOf(t, 2)}, map[string]Handler{"a": echo})
	for _, id := range []string{"cmd_1", "cmd_2"} {
		result := g.awaitResult(t, id)
		require.Equal(t, fieldgate.ResultStatusFailed, result.Status, id)
		require.JSONEq(t, `{"code":"receipt_invalid"}`, string(result.Data), id)
	}
	g = newFakeGateway(t, claimed("approved by two", "cmd_1"))
	g.startAgent(t, Config{Trust: vectors.trustOf(t, 2)}, map[string]Handler{"a": echo})
	require.Equal(t, `{"say":"stated"}`, g.awaitResult(t, "cmd_1").Output)
}

func TestTrust_InvalidSettingsAreRefused(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	keys, roster := vectors.trustOf(t, 0).Keys, vectors.approversOf(t, "first", 1).Roster
	one := map[string]Requirement{"a": {Approvals: 1}}
	for name, trust := range map[string]Trust{
		"without keys":      {Require: map[string]Requirement{"a": {Approvals: 1}}},
		"without a number":  {Keys: keys, Require: map[string]Requirement{"a": {}}},
		"without a pattern": {Keys: keys, Require: map[string]Requirement{"": {Approvals: 1}}},
		"with a wildcard":   {Keys: keys, Require: map[string]Requirement{"a*b": {Approvals: 1}}},

		"approvers without a roster":          {Mode: TrustApprovers, Require: one},
		"approvers without a requirement":     {Mode: TrustApprovers, Roster: roster},
		"approvers who believe the gateway":   {Mode: TrustApprovers, Roster: roster, Require: map[string]Requirement{"a": {Approvals: 1, Evidence: EvidenceReceipt}}},
		"approvers that the roster has not":   {Mode: TrustApprovers, Roster: roster, Require: map[string]Requirement{"a": {Approvals: 4}}},
		"unknown evidence":                    {Keys: keys, Require: map[string]Requirement{"a": {Approvals: 1, Evidence: "password"}}},
		"passkeys without a roster":           {Keys: keys, Require: map[string]Requirement{"a": {Approvals: 1, Evidence: EvidencePasskey}}},
		"a roster that nothing uses":          {Keys: keys, Roster: roster, Require: one},
		"a roster without the mode that uses": {Roster: roster, Require: one},
	} {
		_, err := New(Config{URL: "http://127.0.0.1", StateFile: newStatePath(t), Trust: trust})
		require.ErrorContains(t, err, "Trust.Require", name)
	}
}

func TestTrust_AllMatchingRequirementsApply(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	trust := vectors.trustOf(t, 0)
	for _, v := range vectors.Vectors {
		if v.Name != "approved by one" {
			continue
		}
		for pattern, refused := range map[string]bool{"*": true, "a": true, "a*": true, "b": false, "aa*": false} {
			trust.Require = map[string]Requirement{pattern: {Approvals: 2}, "a": {Approvals: 1}}
			if pattern == "a" {
				trust.Require = map[string]Requirement{"a": {Approvals: 2}}
			}
			err := trust.check(Command{Statement: v.Statement, Receipt: v.Receipt}, vectors.DeviceID)
			require.Equal(t, refused, err != nil, pattern)
		}
	}
}

// BenchmarkTrust verifies receipts: one with two votes, one that was signed with P-256, and one with two
// votes that were signed with passkeys, with the key of the gateway and without it.
func BenchmarkTrust(b *testing.B) {
	vectors := readVectors(b)
	passkeys := vectors.vector(b, "passkeys: approved by two with ES256")
	withoutKeys := vectors.of(b, passkeys)
	withoutKeys.Keys = nil
	for _, c := range []struct {
		name   string
		vector receiptVector
		trust  *Trust
	}{
		{"two votes", vectors.vector(b, "approved by two"), nil},
		{"P-256", vectors.vector(b, "signed with P-256"), nil},
		{"two passkeys", passkeys, nil},
		{"two passkeys without the gateway", passkeys, &withoutKeys},
	} {
		trust := vectors.of(b, c.vector)
		if c.trust != nil {
			trust = *c.trust
		}
		command := Command{Type: "a", Statement: c.vector.Statement, Receipt: c.vector.Receipt}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, trust.check(command, vectors.DeviceID))
			}
		})
	}
}
