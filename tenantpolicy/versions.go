package tenantpolicy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// AnyVersion lets Save replace whichever version applies.
const AnyVersion = -1

// maxPage is the maximum number of versions of a page: each may have 64 KiB.
const maxPage = 20

// KeptVersions is the number of versions of a policy that are kept.
const KeptVersions = 100

// Version is a version of a tenant's policy. The zero Version is that of a tenant without a policy. It
// has no names of users, so that none must be erased.
type Version struct {
	Number     int64
	Document   policy.Document
	By         string // id of the user who has written it
	At         time.Time
	ApprovedBy string    // id of the user who has approved it; empty for a version that needed no approval
	ApprovedAt time.Time // zero like ApprovedBy
	Loosens    []string  // rules that may require less than the version before
}

// State is the policy of a tenant, with the change that waits for approval.
type State struct {
	Current Version
	Pending *Version // nil if no change waits

	last int64 // number of the newest version, also of one that was rejected
}

// Get returns the policy of a tenant, as it is in the store.
func (p *Policies) Get(ctx context.Context, tenant string) (s State, err error) {
	fields, err := p.read(ctx, tenant, "record", "pending", "last")
	if err != nil {
		return State{}, err
	}
	s.last = fields.Int(2)
	if text := fields.String(0); text != "" {
		if s.Current, err = p.decode(tenant, stateCurrent, text); err != nil {
			return State{}, err
		}
	}
	if text := fields.String(1); text != "" {
		pending, err := p.decode(tenant, stateWaiting, text)
		s.Pending = &pending
		return s, err
	}
	return s, nil
}

// read returns fields of the policy of a tenant.
func (p *Policies) read(ctx context.Context, tenant string, names ...string) (fields store.Reply, err error) {
	err = p.store.Do(ctx, "read_policy", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, store.Tenant(tenant).PolicyKey(), names...).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the policy of a tenant: %w", err)
	}
	return fields, nil
}

// record is a Version in the store. The scripts write all members as text.
type record struct {
	Number     string `json:"number"`
	Document   string `json:"document"`
	MAC        string `json:"mac"`
	By         string `json:"by"`
	At         string `json:"at"`
	ApprovedBy string `json:"approved_by"`
	ApprovedAt string `json:"approved_at"`
	Looser     string `json:"looser"`
}

// decode decodes and verifies a version in a state.
func (p *Policies) decode(tenant, state, text string) (Version, error) {
	r, err := p.verify(tenant, state, text)
	if err != nil {
		return Version{}, err
	}
	v := Version{By: store.ActorID(r.By), At: store.ParseTime(r.At), ApprovedBy: store.ActorID(r.ApprovedBy)}
	if r.ApprovedAt != "" {
		v.ApprovedAt = store.ParseTime(r.ApprovedAt)
	}
	var errs [3]error
	v.Number, errs[0] = strconv.ParseInt(r.Number, 10, 64)
	v.Document, errs[1] = policy.Parse([]byte(r.Document))
	errs[2] = json.Unmarshal([]byte(r.Looser), &v.Loosens)
	return v, errors.Join(errs[:]...)
}

// verify returns the record of a version that has the MAC of its state.
func (p *Policies) verify(tenant, state, text string) (r record, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return record{}, fmt.Errorf("decoding a policy: %w", err)
	}
	if err := p.key.Accept(r.MAC, r.parts(tenant, state)...); err != nil {
		return record{}, fmt.Errorf("verifying a policy: %w", err)
	}
	return r, nil
}

// encodeNumber returns the number of a version as the store has it: none for that of a tenant without a
// policy.
func encodeNumber(number int64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatInt(number, 10)
}

// Versions returns a page of the versions that have applied, the newest first, and the cursor of the next
// page.
func (p *Policies) Versions(ctx context.Context, tenant string, page store.Page) (list []Version, next string, err error) {
	after, err := readPosition(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	numbers, err := p.numbers(ctx, tenant)
	if err != nil {
		return nil, "", err
	}
	if after > 0 {
		numbers = slices.DeleteFunc(numbers, func(n int64) bool { return n >= after })
	}
	if limit := min(page.Limit, maxPage); len(numbers) > limit {
		numbers = numbers[:limit]
		next = store.CursorAfter(strconv.FormatInt(numbers[limit-1], 10))
	}
	list, err = p.readVersions(ctx, tenant, numbers)
	return list, next, err
}

// readPosition returns the number that a cursor of Versions has, and 0 for an empty cursor.
func readPosition(cursor string) (int64, error) {
	text, err := store.ReadCursor(cursor)
	if err != nil || text == "" {
		return 0, err
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number <= 0 {
		return 0, store.ErrCursor
	}
	return number, nil
}

// numbers returns the numbers of the versions that are kept, the newest first. Numbers of changes that were
// rejected have no version. The version that applies may be older than the others that are kept.
func (p *Policies) numbers(ctx context.Context, tenant string) (numbers []int64, err error) {
	fields, err := p.read(ctx, tenant, "last", "version")
	if err != nil {
		return nil, err
	}
	last, oldest := fields.Int(0), max(fields.Int(0)-KeptVersions, 0)
	var candidates []int64
	for n := last; n > oldest; n-- {
		candidates = append(candidates, n)
	}
	if current := fields.Int(1); current > 0 && current <= oldest {
		candidates = append(candidates, current)
	}
	return p.existing(ctx, tenant, candidates)
}

// existing returns the numbers of which there is a version.
func (p *Policies) existing(ctx context.Context, tenant string, numbers []int64) (found []int64, err error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	key := store.Tenant(tenant).PolicyVersionsKey()
	exists := make([]*redis.BoolCmd, len(numbers))
	err = p.store.Do(ctx, "list_policies", func(ctx context.Context, c store.Client) error {
		_, err := c.Pipelined(ctx, func(batch redis.Pipeliner) error {
			for i, n := range numbers {
				exists[i] = batch.HExists(ctx, key, strconv.FormatInt(n, 10))
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the versions of a policy: %w", err)
	}
	for i, n := range numbers {
		if exists[i].Val() {
			found = append(found, n)
		}
	}
	return found, nil
}

func (p *Policies) readVersions(ctx context.Context, tenant string, numbers []int64) (list []Version, err error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = strconv.FormatInt(n, 10)
	}
	var fields store.Reply
	err = p.store.Do(ctx, "read_policies", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, store.Tenant(tenant).PolicyVersionsKey(), names...).Result()
		return err
	})
	for i := range fields {
		if text := fields.String(i); text != "" { // not deleted meanwhile
			v, failed := p.decode(tenant, stateCurrent, text)
			list, err = append(list, v), errors.Join(err, failed)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the versions of a policy: %w", err)
	}
	return list, nil
}

// Author is the user who changes a policy, or decides on a change.
type Author struct {
	Tenant    string
	UserID    string
	Names     fieldgate.Names
	RequestID string
	SoleUser  bool // the tenant has no other user, so that a change need not wait
	Operator  bool // the operator acts for the tenant, whose policy may be looser then

	// AuthSessionID and EarliestCutOff are those of a queue.Decision.
	AuthSessionID  string
	EarliestCutOff time.Time
}

// keys returns the KEYS of the scripts.
func (a Author) keys() []string {
	t := store.Tenant(a.Tenant)
	return []string{t.PolicyKey(), t.PolicyVersionsKey(), t.CutOffsKey(), t.StreamKey()}
}

// args returns the ARGV of the scripts: the author, followed by others.
func (a Author) args(others ...any) []any {
	return append([]any{
		a.Tenant, store.ActorUser(a.UserID), a.Names.Name, a.Names.Email, a.RequestID, a.AuthSessionID, a.EarliestCutOff.UnixMilli(),
	}, others...)
}

// Save saves a document as the policy of a tenant, in place of the version with the number replaces, and
// returns the policy. A change that may loosen the policy waits for the approval of another admin: it is
// then State.Pending. Refusals: validation_failed, policy_conflict, user_cut_off.
func (p *Policies) Save(ctx context.Context, by Author, d policy.Document, replaces int64) (State, error) {
	encoded, err := encode(d)
	if err != nil {
		return State{}, err
	}
	_, err = refusal.RetryStale(func() (struct{}, error) { return struct{}{}, p.saveOnce(ctx, by, d, encoded, replaces) })
	if errors.Is(err, refusal.Stale) {
		return State{}, refusal.New(fieldgate.CodePolicyConflict) // others save at the same time
	}
	if err != nil {
		return State{}, err
	}
	p.Expire(by.Tenant)
	return p.Get(ctx, by.Tenant)
}

// encode checks a document and returns it as it is stored.
func encode(d policy.Document) (string, error) {
	_, err := d.Compile()
	var invalid *policy.InvalidError
	if errors.As(err, &invalid) {
		return "", invalidPolicy(invalid)
	}
	encoded, err := d.Encode()
	return string(encoded), err
}

func invalidPolicy(invalid *policy.InvalidError) error {
	refused := fieldgate.Refuse(fieldgate.CodeValidationFailed, "The policy is not valid: correct the rules that are named.")
	for _, f := range invalid.Faults {
		refused.Fields = append(refused.Fields, fieldgate.FieldError{Pointer: f.Pointer, Keyword: "policy", Reason: f.Reason})
	}
	return refused
}

// saveOnce is like Save. The error is refusal.Stale if another admin has saved a version that waits meanwhile.
func (p *Policies) saveOnce(ctx context.Context, by Author, d policy.Document, encoded string, replaces int64) error {
	state, err := p.Get(ctx, by.Tenant)
	if err != nil {
		return err
	}
	if replaces == AnyVersion {
		replaces = state.Current.Number
	}
	if state.Current.Number != replaces {
		return refusal.New(fieldgate.CodePolicyConflict)
	}
	looser := d.Loosens(state.before())
	waits := len(looser) > 0 && !by.SoleUser && !by.Operator
	names, err := json.Marshal(looser)
	if err != nil {
		return fmt.Errorf("encoding the names of rules: %w", err)
	}
	saved := record{Number: strconv.FormatInt(state.last+1, 10), Document: encoded, By: store.ActorUser(by.UserID), Looser: string(names)}
	begins := stateCurrent
	if waits {
		begins = stateWaiting
	}
	reply, err := p.store.Run(ctx, saveScript, by.keys(), by.args(
		replaces, saved.Number, saved.Document, p.key.MAC(saved.parts(by.Tenant, begins)...), waits, saved.Looser, KeptVersions,
	)...)
	if err != nil {
		return fmt.Errorf("saving a policy: %w", err)
	}
	return refusal.Of(reply)
}

// before returns the document that applies, or nil if there is none.
func (s State) before() *policy.Document {
	if s.Current.Number == 0 {
		return nil
	}
	return &s.Current.Document
}

var errSelfApproval = fieldgate.Refuse(fieldgate.CodeSelfApproval,
	"You have made this change of the policy: another admin must approve it. You may reject it.")

// Decide approves or rejects the change with a number that waits, and returns the policy. Refusals:
// policy_conflict if it does not wait, self_approval, user_cut_off.
func (p *Policies) Decide(ctx context.Context, by Author, number int64, approved bool) (State, error) {
	decision, mac := "rejected", ""
	if approved {
		var err error
		if decision, mac, err = p.vouch(ctx, by); err != nil {
			return State{}, err
		}
	}
	reply, err := p.store.Run(ctx, decideScript, by.keys(), by.args(number, decision, mac)...)
	if err != nil {
		return State{}, fmt.Errorf("deciding on a policy: %w", err)
	}
	if err := refusal.Of(reply); fieldgate.CodeOf(err) == fieldgate.CodeSelfApproval && err != nil {
		return State{}, errSelfApproval
	} else if err != nil {
		return State{}, err
	}
	p.Expire(by.Tenant)
	return p.Get(ctx, by.Tenant)
}

// vouch returns the decision that approves the change which waits, and the MAC of the version that the change
// becomes. The MAC is empty if no change waits.
func (p *Policies) vouch(ctx context.Context, by Author) (decision, mac string, err error) {
	fields, err := p.read(ctx, by.Tenant, "pending")
	if err != nil || fields.String(0) == "" {
		return "approved", "", err
	}
	change, err := p.verify(by.Tenant, stateWaiting, fields.String(0))
	if err != nil {
		return "", "", err
	}
	change.ApprovedBy = store.ActorUser(by.UserID)
	return "approved", p.key.MAC(change.parts(by.Tenant, stateCurrent)...), nil
}
