// Package approver keeps with what the users of a tenant sign their approvals: the passkeys of each user,
// and the roster, which is the list of keys that the approvers themselves vouch for.
package approver

import (
	"embed"
	"time"

	"github.com/fieldgate/fieldgate"
	customerlua "github.com/fieldgate/fieldgate/customer/lua"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
)

// files holds the scripts.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("approver", files, customerlua.Library)

var (
	registerScript = Scripts.Script("lua/register_passkey.lua")
	deleteScript   = Scripts.Script("lua/delete_passkey.lua")

	saveRosterScript = Scripts.Script("lua/save_roster.lua")
)

// Config configures Passkeys and Rosters. Store is required.
type Config struct {
	// Store keeps the records for all instances.
	Store *store.Store

	// RelyingParty is for whom passkeys sign. Without an id, no passkey can be registered or used.
	RelyingParty passkey.RelyingParty

	// RecordKey is the secret key that authenticates the records. All instances need the same key.
	// Default: a key that is kept in the store. It then finds only damage and careless edits.
	RecordKey []byte

	// RecordKeyRequired refuses a record without a MAC of RecordKey. It has no effect without RecordKey.
	RecordKeyRequired bool
}

// recordKey returns the key of a kind of records.
func (c Config) recordKey(kind string) recordkey.Key {
	return recordkey.New(kind, c.RecordKey, c.RecordKeyRequired, c.Store.HashKey())
}

// User is the user who registers or deletes a passkey, or changes the roster.
type User struct {
	Tenant    string
	UserID    string
	Names     fieldgate.Names
	RequestID string

	// AuthSessionID and EarliestCutOff are those of a queue.Decision.
	AuthSessionID  string
	EarliestCutOff time.Time
}

// author returns the first ARGV of the scripts.
func (u User) author() []any {
	return []any{u.Tenant, store.ActorUser(u.UserID), u.Names.Name, u.Names.Email, u.RequestID}
}
