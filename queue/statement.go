package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/recent"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
)

// statementVersion is the version of the format of statements. A member that a reader must not ignore
// raises it.
const statementVersion = 1

// statement is the complete description of a command: what its approvers see, and what its device
// runs. The gateway encodes it once, at the proposal, and stores the bytes. Nothing encodes it again, so
// no reader needs a canonical form of JSON. Its SHA-256 is the digest of the command. The members are
// sorted by name, and the parameters are written as in the proposal, without white space.
type statement struct {
	Command     string              `json:"command"`
	DeliverBy   fieldgate.Timestamp `json:"deliverBy"`
	Device      json.RawMessage     `json:"device"` // an identity
	MaxAttempts int                 `json:"maxAttempts"`
	Parameters  json.RawMessage     `json:"parameters"`
	Policy      statedPolicy        `json:"policy"`
	Priority    int                 `json:"priority"`
	Proposer    statedProposer      `json:"proposer"`
	Reason      string              `json:"reason,omitempty"`
	RetryOf     string              `json:"retryOf,omitempty"`
	Session     string              `json:"session"`
	Tenant      string              `json:"tenant"`
	Type        string              `json:"type"`
	Version     int                 `json:"version"`
}

// statementBegin is the beginning of each statement. The body of a record without a statement begins with
// its type.
const statementBegin = `{"command":`

// isStatement reports whether the body of a record is a statement.
func isStatement(body string) bool { return strings.HasPrefix(body, statementBegin) }

// statedPolicy is the rule that applied to the proposal.
type statedPolicy struct {
	Approvals  int      `json:"approvals,omitempty"` // absent if one is sufficient
	Assurance  string   `json:"assurance,omitempty"`
	BreakGlass bool     `json:"breakGlass,omitempty"`
	ByProposer bool     `json:"breakGlassByProposer,omitempty"`
	Effect     Mode     `json:"effect"`
	Reason     bool     `json:"reason,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	Rule       string   `json:"rule,omitempty"`      // its name, or the pattern of a rule of the floor; empty if no rule matched
	SignInAge  string   `json:"signInAge,omitempty"` // a duration such as "15m"
	Version    string   `json:"version"`
	Within     string   `json:"within,omitempty"` // a duration such as "4h"
}

// statePolicy returns the rule that decides on a proposal, and what its approval needs.
func statePolicy(by judgement) statedPolicy {
	stated := statedPolicy{Effect: by.mode(), Rule: by.Rule, Version: by.version}
	if by.mode() != Review {
		return stated
	}
	needs := by.Needs
	if needs.Votes() > 1 {
		stated.Approvals = needs.Votes()
	}
	stated.Assurance, stated.BreakGlass, stated.Reason, stated.Roles = needs.Assurance, needs.BreakGlass, needs.Reason, needs.Roles
	stated.ByProposer = needs.GlassByProposer
	stated.SignInAge, stated.Within = policy.FormatDuration(needs.SignInAge), policy.FormatDuration(needs.Within)
	return stated
}

// admits reports whether a state is possible under the rule. A stricter policy may have raised the number of
// approvals.
func (p statedPolicy) admits(s state) bool {
	if p.Effect != Review {
		return true
	}
	isGlass := s.Approval != nil && s.Approval.Glass
	return p.Approvals <= s.requires() && (!isGlass || p.BreakGlass && (p.ByProposer || s.Approval.By != s.Proposer))
}

// requirement returns what the rule requires of an approval, or nil if it requires none. A duration
// that cannot be read is that of a later version, and is taken for none: the policy as it is now is
// checked too.
func (p statedPolicy) requirement() *policy.Requirement {
	if p.Effect != Review {
		return nil
	}
	needs := &policy.Requirement{
		Approvals: p.Approvals, Roles: p.Roles, Assurance: p.Assurance, Reason: p.Reason, BreakGlass: p.BreakGlass, GlassByProposer: p.ByProposer,
	}
	needs.SignInAge, _ = time.ParseDuration(p.SignInAge)
	needs.Within, _ = time.ParseDuration(p.Within)
	return needs
}

// statedProposer is the user who proposed the command. The name of the user is not in the statement: users
// choose their names, and a name must be erasable, also from a record whose digest was signed.
type statedProposer struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // kindPerson or kindProgram
	Role string `json:"role,omitempty"`
}

// These are the kinds of proposers. A program is an OAuth client that acts for the user.
const (
	kindPerson  = policy.Person
	kindProgram = policy.Program
)

func (p Proposal) proposer() statedProposer {
	kind := kindPerson
	if p.ByProgram {
		kind = kindProgram
	}
	return statedProposer{ID: p.UserID, Kind: kind, Role: p.Role}
}

// encodeStatement returns the statement of a proposal.
func encodeStatement(p Proposal, by judgement, id string, device identity, deliverBy time.Time) ([]byte, error) {
	encoded, err := encode(statement{
		Command: id, DeliverBy: fieldgate.At(deliverBy), Device: device.encoded, MaxAttempts: p.MaxAttempts,
		Parameters: p.Parameters, Policy: statePolicy(by), Priority: p.Priority, Proposer: p.proposer(),
		Reason: p.Reason, RetryOf: p.RetryOf, Session: p.SessionID, Tenant: p.Tenant, Type: p.Type, Version: statementVersion,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the statement of a command: %w", err)
	}
	return encoded, nil
}

// statementDigest returns the digest of a statement: its SHA-256, in hexadecimal.
func statementDigest(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// verifyStatement returns recordkey.ErrChanged if a record has not the digest of its statement, or if what the
// scripts apply to the command is not what the statement says.
func verifyStatement(r record, s state) error {
	encoded := []byte(r.body)
	if statementDigest(encoded) != s.Digest {
		return recordkey.ErrChanged
	}
	var stated struct {
		statement
		Device struct {
			ID string `json:"id"`
		} `json:"device"`
	}
	if err := json.Unmarshal(encoded, &stated); err != nil {
		return recordkey.ErrChanged
	}
	isSame := stated.Version == statementVersion && stated.Command == r.id && stated.Tenant == r.tenant &&
		stated.Device.ID == r.deviceID && stated.Session == s.Session && stated.MaxAttempts == s.Max &&
		stated.Priority == s.Priority && stated.DeliverBy.UnixMilli() == s.DeliverBy &&
		store.ActorUser(stated.Proposer.ID) == s.Proposer && stated.Policy.admits(s)
	if !isSame {
		return recordkey.ErrChanged
	}
	return nil
}

// identity holds the names of a device at the time of a proposal, as the statement has them. The
// script of the proposal compares the revision and the epoch with those of the device's record: one of
// them changes whenever the identity does.
type identity struct {
	revision, epoch string
	encoded         json.RawMessage
	tags            map[string]string // those in encoded, for the policy
}

// identityFields are the fields of a device's record that encodeIdentity reads.
var identityFields = []string{"revision", "epoch", "name", "external_id", "tags", "metadata"}

// encodeIdentity returns the identity of a device, from the identityFields of its record.
func encodeIdentity(id string, fields store.Reply) (identity, error) {
	stated := struct {
		ExternalID   string            `json:"externalId,omitempty"`
		ID           string            `json:"id"`
		Name         string            `json:"name,omitempty"`
		SerialNumber string            `json:"serialNumber,omitempty"`
		Tags         map[string]string `json:"tags,omitempty"`
	}{ID: id, Name: fields.String(2), ExternalID: fields.String(3)}
	var metadata map[string]string
	for raw, target := range map[string]*map[string]string{fields.String(4): &stated.Tags, fields.String(5): &metadata} {
		if raw == "" {
			continue
		}
		if err := json.Unmarshal([]byte(raw), target); err != nil {
			return identity{}, fmt.Errorf("decoding the identity of a device: %w", err)
		}
	}
	stated.SerialNumber = metadata["serialNumber"]
	encoded, err := encode(stated)
	return identity{revision: fields.String(0), epoch: fields.String(1), encoded: encoded, tags: stated.Tags}, err
}

// identify returns the identity of a device, if commands get statements. It may be an earlier one that
// this instance remembers: the script of the proposal then refuses it.
func (q *Queue) identify(ctx context.Context, d store.Device) (identity, error) {
	if !q.store.KeepsStatements() {
		return identity{}, nil
	}
	if known, found := q.identities.Get(d.ID); found {
		return known, nil
	}
	var fields store.Reply
	err := q.store.Do(ctx, "identify_device", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, d.RecordKey(), identityFields...).Result()
		return err
	})
	if err != nil {
		return identity{}, fmt.Errorf("reading the identity of a device: %w", err)
	}
	found, err := encodeIdentity(d.ID, fields)
	if err == nil && len(found.encoded) <= maxRememberedIdentity {
		q.identities.Add(d.Tenant, d.ID, found)
	}
	return found, err
}

func newIdentities() *recent.Map[identity] {
	return recent.New[identity](recent.Config{Entries: rememberedIdentities, PerOwner: rememberedShare, Turn: locatedTurn})
}

// These are limits of the identities that an instance remembers.
const (
	rememberedIdentities  = 20_000
	rememberedShare       = 5_000 // maximum number that a tenant adds in locatedTurn
	maxRememberedIdentity = 1024  // maximum size of one, in bytes
)
