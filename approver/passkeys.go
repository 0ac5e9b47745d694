package approver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of the passkeys.
const (
	maxOfUser   = 8
	maxFields   = 3 * maxOfUser * 256 // a passkey has two fields, and its user one
	challengeIn = 5 * time.Minute     // time from the options of a registration to its end

	challengeSize = 32 // in bytes
)

// Passkeys keeps the passkeys of the users of all tenants. It is safe for concurrent use.
type Passkeys struct {
	store *store.Store
	party passkey.RelyingParty
	key   recordkey.Key
}

// NewPasskeys returns Passkeys with the given configuration.
func NewPasskeys(cfg Config) *Passkeys {
	return &Passkeys{store: cfg.Store, party: cfg.RelyingParty, key: cfg.recordKey("passkeys")}
}

// Passkey is a passkey of a user.
type Passkey struct {
	ID         string
	UserID     string
	Name       string // that the user has given
	CreatedAt  time.Time
	LastUsedAt time.Time // zero before its first use
	Key        passkey.Key
}

// Options hold what a browser needs to create a passkey.
type Options struct {
	RelyingPartyID string
	UserHandle     string // identifies the user to the authenticator; without names
	Challenge      string // in base64url; it can be used once, within TTL
	TTL            time.Duration
	Existing       []string // ids of the user's passkeys, of which no authenticator should have a second one
}

var (
	errNoParty = fieldgate.Refuse(fieldgate.CodeNotFound,
		"This gateway has no relying party for passkeys: ask the operator to set FIELDGATE_PASSKEY_RELYING_PARTY.")
	errExists = &fieldgate.Error{
		Code: fieldgate.CodeValidationFailed, Detail: "This passkey is registered already.",
		Fields: []fieldgate.FieldError{{Pointer: "/credential/id", Keyword: "unique", Reason: "is the id of a passkey that is registered"}},
	}
)

// refusedRegistration returns the refusal of a registration that does not verify.
func refusedRegistration(cause error) error {
	return &fieldgate.Error{
		Code: fieldgate.CodeValidationFailed, Detail: "The passkey cannot be registered. Request new options and create it again.",
		Fields: []fieldgate.FieldError{{Pointer: "/credential", Keyword: "passkey", Reason: "is refused: " + reasonOf(cause)}}, Cause: cause,
	}
}

// reasonOf returns the first part of an error of package passkey, which has no value from the request.
func reasonOf(cause error) string {
	reason, _, _ := strings.Cut(cause.Error(), ":")
	return reason
}

// Options returns what a browser needs to create a passkey of a user, with a new challenge that replaces
// the one before. Errors: not_found without a relying party, quota_exceeded, store_unavailable.
func (p *Passkeys) Options(ctx context.Context, u User) (Options, error) {
	if !p.AreUsable() {
		return Options{}, errNoParty
	}
	existing, err := p.idsOf(ctx, u.Tenant, u.UserID)
	if err != nil {
		return Options{}, err
	}
	if len(existing) >= maxOfUser {
		return Options{}, refuseMore(refusal.Quota("passkeys", maxOfUser))
	}
	random := make([]byte, challengeSize)
	_, _ = rand.Read(random) // never fails
	o := Options{
		RelyingPartyID: p.party.ID, UserHandle: userHandle(u), Challenge: encode(random), TTL: challengeIn, Existing: existing,
	}
	err = p.store.Do(ctx, "keep_challenge", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, challengeKey(u), o.Challenge, challengeIn).Err()
	})
	if err != nil {
		return Options{}, fmt.Errorf("keeping the challenge of a registration: %w", err)
	}
	return o, nil
}

func challengeKey(u User) string { return store.Tenant(u.Tenant).ChallengeKey(u.UserID) }

// userHandle returns what identifies a user to authenticators. It contains neither the id nor a name,
// because authenticators show it to others.
func userHandle(u User) string {
	return encode([]byte(store.DigestOf(u.Tenant + "\n" + u.UserID)))
}

func encode(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// Register registers a new passkey of a user under a name. The challenge of the user's last options is
// used up, also by a registration that fails. Errors: not_found without a relying party,
// validation_failed, quota_exceeded, user_cut_off, store_unavailable.
func (p *Passkeys) Register(ctx context.Context, u User, name string, made passkey.Registration) (Passkey, error) {
	if !p.AreUsable() {
		return Passkey{}, errNoParty
	}
	challenge, err := p.useChallenge(ctx, u)
	if err != nil {
		return Passkey{}, err
	}
	key, counter, err := p.party.Register(made, challenge)
	if err != nil {
		return Passkey{}, refusedRegistration(err)
	}
	created := Passkey{ID: key.ID, UserID: u.UserID, Name: name, CreatedAt: time.Now().UTC().Truncate(time.Millisecond), Key: key}
	return created, p.keep(ctx, u, created, counter)
}

// keep stores a new passkey.
func (p *Passkeys) keep(ctx context.Context, u User, k Passkey, counter uint32) error {
	encoded, err := p.encode(u.Tenant, k)
	if err != nil {
		return err
	}
	t := store.Tenant(u.Tenant)
	args := append(u.author(), u.AuthSessionID, u.EarliestCutOff.UnixMilli(), k.ID, encoded, counter, maxOfUser, maxFields)
	reply, err := p.store.Run(ctx, registerScript, []string{t.PasskeysKey(), t.CutOffsKey(), t.StreamKey()}, args...)
	if err != nil {
		return fmt.Errorf("registering a passkey: %w", err)
	}
	err = refusal.Of(reply)
	if errors.Is(err, refusal.Stale) {
		return errExists
	}
	var refused *fieldgate.Error
	if errors.As(err, &refused) && refused.Quota != "" && reply.Int(quotaLimit) == maxOfUser {
		return refuseMore(refused)
	}
	return err
}

// quotaLimit is the index of the limit in a reply with quota_exceeded.
const quotaLimit = 3

// refuseMore returns the refusal of another passkey of a user with what the user can do. The quota is that of
// the user, and the operator cannot raise it.
func refuseMore(refused *fieldgate.Error) error {
	refused.Detail = fmt.Sprintf("You have %d passkeys, which is the maximum of a user. Delete one first.", maxOfUser)
	return refused
}

// useChallenge returns the challenge of a user, and deletes it. It is empty if there is none, which no
// registration has.
func (p *Passkeys) useChallenge(ctx context.Context, u User) (challenge string, err error) {
	err = p.store.Do(ctx, "use_challenge", func(ctx context.Context, c store.Client) (err error) {
		challenge, err = c.GetDel(ctx, challengeKey(u)).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return "", refusedRegistration(errNoChallenge)
	}
	if err != nil {
		return "", fmt.Errorf("reading the challenge of a registration: %w", err)
	}
	return challenge, nil
}

var errNoChallenge = errors.New("its challenge has expired or was used")

// List returns a page of the passkeys of a user, the oldest first, and the cursor of the next page. One
// that was changed in the store is left out.
func (p *Passkeys) List(ctx context.Context, tenant, userID string, page store.Page) (list []Passkey, next string, err error) {
	after, err := store.ReadCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	ids, err := p.idsOf(ctx, tenant, userID)
	if err != nil {
		return nil, "", err
	}
	ids = ids[slices.Index(ids, after)+1:]
	if len(ids) > page.Limit {
		ids = ids[:page.Limit]
		next = store.CursorAfter(ids[page.Limit-1])
	}
	list, err = p.readAll(ctx, tenant, userID, ids)
	return list, next, err
}

// readAll returns the passkeys with ids that are usable.
func (p *Passkeys) readAll(ctx context.Context, tenant, userID string, ids []string) (list []Passkey, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var names []string
	for _, id := range ids {
		names = append(names, fieldsOf(id)...)
	}
	fields, err := p.fields(ctx, tenant, names...)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		found, err := p.decode(tenant, userID, id, fields[2*i:])
		if err == nil {
			list = append(list, found)
		} else if !isUnusable(err) {
			return nil, err
		}
	}
	return list, nil
}

// Delete deletes a passkey of the user. What it has signed stays valid. Errors: passkey_not_found,
// store_unavailable.
func (p *Passkeys) Delete(ctx context.Context, u User, id string) error {
	_, err := p.delete(ctx, u, u.UserID, id)
	return err
}

// Erase deletes all passkeys of a user, and returns their number. A dry run only counts.
func (p *Passkeys) Erase(ctx context.Context, by User, userID string, dryRun bool) (int, error) {
	if !dryRun {
		return p.delete(ctx, by, userID, "")
	}
	ids, err := p.idsOf(ctx, by.Tenant, userID)
	return len(ids), err
}

func (p *Passkeys) delete(ctx context.Context, by User, userID, id string) (int, error) {
	t := store.Tenant(by.Tenant)
	reply, err := p.store.Run(ctx, deleteScript, []string{t.PasskeysKey(), t.StreamKey()}, append(by.author(), store.ActorUser(userID), id)...)
	if err != nil {
		return 0, fmt.Errorf("deleting a passkey: %w", err)
	}
	return int(reply.Int(2)), refusal.Of(reply)
}

// Use is the use of a passkey that was verified. The script that records what it was used for passes it
// to the function use_passkey.
type Use struct {
	ID      string
	Record  string // as it was read
	Counter uint32
}

// Args returns the ARGV of a script. They are empty for a nil Use.
func (u *Use) Args() []any {
	if u == nil {
		return []any{"", "", 0}
	}
	return []any{u.ID, u.Record, u.Counter}
}

// Check returns the use of a passkey if it is one of the user that has signed the challenge. Otherwise the
// error is step_up_required.
func (p *Passkeys) Check(ctx context.Context, tenant, userID string, challenge []byte, a passkey.Assertion) (*Use, error) {
	if !p.AreUsable() {
		return nil, errNoParty
	}
	found, record, err := p.read(ctx, tenant, userID, a.CredentialID)
	switch {
	case isUnusable(err):
		return nil, refusedAssertion(errNoPasskey)
	case err != nil:
		return nil, err
	}
	counter, err := p.party.Verify(a, challenge, found.Key)
	if err != nil {
		return nil, refusedAssertion(err)
	}
	return &Use{ID: found.ID, Record: record, Counter: counter}, nil
}

var errNoPasskey = errors.New("you have no passkey with its id")

// isUnusable reports whether an error means that there is no such passkey, or that it was changed in the
// store.
func isUnusable(err error) bool {
	return err != nil && (fieldgate.CodeOf(err) == fieldgate.CodePasskeyNotFound || errors.Is(err, recordkey.ErrChanged))
}

// refusedAssertion returns the refusal of an assertion that does not verify.
func refusedAssertion(cause error) error {
	refused := fieldgate.Refuse(fieldgate.CodeStepUpRequired, "The assertion of the passkey is refused: "+reasonOf(cause)+". Sign this command with a passkey of yours.")
	refused.Assurance, refused.Cause = Assurance, cause
	return refused
}

// Assurance is the assurance of an approval that a passkey has signed.
const Assurance = "passkey"

// AreUsable reports whether passkeys can sign approvals.
func (p *Passkeys) AreUsable() bool { return p != nil && p.party.ID != "" }

// RefuseUse returns the refusal of a passkey that the function use_passkey of the scripts has not accepted.
func RefuseUse() error {
	return refusedAssertion(errors.New("the passkey was deleted, or its signature counter has not grown, as if there were a copy of it"))
}

// idsOf returns the ids of the passkeys of a user.
func (p *Passkeys) idsOf(ctx context.Context, tenant, userID string) (ids []string, err error) {
	fields, err := p.fields(ctx, tenant, store.ActorUser(userID))
	if err != nil || fields.String(0) == "" {
		return nil, err
	}
	if err := json.Unmarshal([]byte(fields.String(0)), &ids); err != nil {
		return nil, fmt.Errorf("decoding the passkeys of a user: %w", err)
	}
	return ids, nil
}

func (p *Passkeys) fields(ctx context.Context, tenant string, names ...string) (fields store.Reply, err error) {
	err = p.store.Do(ctx, "read_passkeys", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, store.Tenant(tenant).PasskeysKey(), names...).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading passkeys: %w", err)
	}
	return fields, nil
}

// record is a passkey in the store.
type record struct {
	User string      `json:"user"` // as an actor
	Name string      `json:"name"`
	Key  passkey.Key `json:"key"`
	At   int64       `json:"at"` // in Unix ms
	MAC  string      `json:"mac"`
}

// parts returns what the MAC of a record covers.
func (r record) parts(tenant string) []string {
	k := r.Key
	return []string{tenant, r.User, r.Name, k.ID, k.Type, k.Algorithm, k.Curve, k.X, k.Y, strconv.FormatInt(r.At, 10)}
}

// encode returns the record of a passkey.
func (p *Passkeys) encode(tenant string, k Passkey) (string, error) {
	r := record{User: store.ActorUser(k.UserID), Name: k.Name, Key: k.Key, At: k.CreatedAt.UnixMilli()}
	r.MAC = p.key.MAC(r.parts(tenant)...)
	encoded, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encoding a passkey: %w", err)
	}
	return string(encoded), nil
}

// fieldsOf returns the names of the fields of a passkey: its record, and its use.
func fieldsOf(id string) []string { return []string{id, id + ":used"} }

// read returns a passkey of a user with its record. Errors: passkey_not_found, and recordkey.ErrChanged.
func (p *Passkeys) read(ctx context.Context, tenant, userID, id string) (Passkey, string, error) {
	fields, err := p.fields(ctx, tenant, fieldsOf(id)...)
	if err != nil {
		return Passkey{}, "", err
	}
	found, err := p.decode(tenant, userID, id, fields)
	return found, fields.String(0), err
}

// decode returns the passkey of a user that begins fields with its fieldsOf. Errors: those of read.
func (p *Passkeys) decode(tenant, userID, id string, fields store.Reply) (Passkey, error) {
	var r record
	if json.Unmarshal([]byte(fields.String(0)), &r) != nil || r.User != store.ActorUser(userID) || r.Key.ID != id {
		return Passkey{}, refusal.New(fieldgate.CodePasskeyNotFound)
	}
	if err := p.key.Accept(r.MAC, r.parts(tenant)...); err != nil {
		return Passkey{}, fmt.Errorf("verifying a passkey: %w", err)
	}
	found := Passkey{ID: id, UserID: userID, Name: r.Name, CreatedAt: store.TimeOf(r.At), Key: r.Key}
	if _, used, isUsed := strings.Cut(fields.String(1), " "); isUsed {
		found.LastUsedAt = store.ParseTime(used)
	}
	return found, nil
}
