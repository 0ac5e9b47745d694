package approver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of the versions of a roster. A device that follows them reads all, and at most 8 MiB.
const (
	maxVersions    = 256
	maxRosterBytes = 4 << 20
)

// Rosters keeps the rosters of all tenants. It is safe for concurrent use.
type Rosters struct {
	store *store.Store
	key   recordkey.Key
}

// NewRosters returns Rosters with the given configuration.
func NewRosters(cfg Config) *Rosters {
	return &Rosters{store: cfg.Store, key: cfg.recordKey("rosters")}
}

// storedVersion is a version in the store.
type storedVersion struct {
	passkey.Version
	MAC string `json:"mac"`
}

// Get returns the versions of a tenant's roster, the oldest first.
func (r *Rosters) Get(ctx context.Context, tenant string) (versions []passkey.Version, err error) {
	texts, err := r.read(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i, text := range texts {
		var v storedVersion
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, fmt.Errorf("decoding a version of a roster: %w", err)
		}
		if err := r.key.Accept(v.MAC, tenant, strconv.Itoa(i+1), v.Document); err != nil {
			return nil, fmt.Errorf("verifying a version of a roster: %w", err)
		}
		versions = append(versions, v.Version)
	}
	return versions, nil
}

// read returns the versions of a tenant's roster as the store has them.
func (r *Rosters) read(ctx context.Context, tenant string) (texts []string, err error) {
	err = r.store.Do(ctx, "read_roster", func(ctx context.Context, c store.Client) (err error) {
		texts, err = c.LRange(ctx, store.Tenant(tenant).RosterKey(), 0, -1).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the roster of a tenant: %w", err)
	}
	return texts, nil
}

// Save adds a version to the roster of a tenant, and returns all. Errors: policy_conflict if it is not the
// next one, validation_failed, quota_exceeded, user_cut_off, store_unavailable.
func (r *Rosters) Save(ctx context.Context, by User, v passkey.Version) ([]passkey.Version, error) {
	versions, err := r.Get(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	if err := checkNext(by.Tenant, versions, v); err != nil {
		return nil, err
	}
	number := len(versions) + 1
	record, err := json.Marshal(storedVersion{Version: v, MAC: r.key.MAC(by.Tenant, strconv.Itoa(number), v.Document)})
	if err != nil {
		return nil, fmt.Errorf("encoding a version of a roster: %w", err)
	}
	t := store.Tenant(by.Tenant)
	reply, err := r.store.Run(ctx, saveRosterScript, []string{t.RosterKey(), t.CutOffsKey(), t.StreamKey()},
		append(by.author(), by.AuthSessionID, by.EarliestCutOff.UnixMilli(), number, record)...)
	if err != nil {
		return nil, fmt.Errorf("saving the roster of a tenant: %w", err)
	}
	if err := refusal.Of(reply); err != nil {
		return nil, refuseConflict(err)
	}
	return append(versions, v), nil
}

var errConflict = fieldgate.Refuse(fieldgate.CodePolicyConflict,
	"The roster has another next version: read it again, and have the approvers sign that version.")

// refuseConflict returns the error of a script with the text for rosters.
func refuseConflict(err error) error {
	if fieldgate.CodeOf(err) == fieldgate.CodePolicyConflict {
		return errConflict
	}
	return err
}

// checkNext returns nil if v is the next version of a tenant's roster.
func checkNext(tenant string, versions []passkey.Version, v passkey.Version) error {
	next, _, err := v.DecodeRoster()
	switch {
	case err != nil:
		return refusedRoster("/document", err)
	case next.Version != len(versions)+1:
		return errConflict
	case next.Tenant != tenant:
		return refusedRoster("/document", errors.New("the tenant is not that of the caller"))
	case next.Version > maxVersions || sizeOf(versions)+sizeOf([]passkey.Version{v}) > maxRosterBytes:
		return refusal.Quota("rosterVersions", maxVersions)
	}
	var current passkey.Roster
	if len(versions) > 0 {
		if current, _, err = versions[len(versions)-1].DecodeRoster(); err != nil {
			return fmt.Errorf("decoding the roster of a tenant: %w", err)
		}
	}
	if _, err := current.Next(v); err != nil {
		return refusedRoster("/signatures", err)
	}
	return nil
}

// sizeOfNames is at least the size of the names of a version or a signature in JSON, in bytes.
const sizeOfNames = 100

// sizeOf returns the size of versions with their signatures as devices read them, in bytes.
func sizeOf(versions []passkey.Version) (size int) {
	for _, v := range versions {
		size += len(v.Document) + sizeOfNames
		for _, s := range v.Signatures {
			size += len(s.AuthenticatorData) + len(s.ClientDataJSON) + len(s.CredentialID) + len(s.Signature) + sizeOfNames
		}
	}
	return size
}

// refusedRoster returns the refusal of a version. The text of cause has no value from the request.
func refusedRoster(pointer string, cause error) error {
	reason, _, _ := strings.Cut(cause.Error(), ":")
	return &fieldgate.Error{
		Code: fieldgate.CodeValidationFailed, Detail: "The version of the roster is refused: " + reason + ".",
		Fields: []fieldgate.FieldError{{Pointer: pointer, Keyword: "roster", Reason: reason}}, Cause: cause,
	}
}
