// Package device is the device registry: identities, credentials, logins and presence.
// A user provisions a device. The device registers once with an activation code and
// logs in with the secret that it receives. A user may suspend or decommission it.
// Each transition is one script in lua/. All times are by the store's clock.
//
// The store never contains activation codes, secrets or tokens in clear text. It
// contains their hashes and, for replies that may be repeated, encrypted copies.
package device

import (
	"cmp"
	"context"
	"embed"
	"log/slog"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/credential"
	queuelua "github.com/fieldgate/fieldgate/queue/lua"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/recent"
	"github.com/fieldgate/fieldgate/refusal"
	sessionlua "github.com/fieldgate/fieldgate/session/lua"
	"github.com/fieldgate/fieldgate/store"
)

// scripts contains the Lua scripts.
//
//go:embed lua/*.lua
var scripts embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("device", scripts, sessionlua.Library, queuelua.Library)

var (
	provisionScript    = Scripts.Script("lua/provision.lua")
	issueScript        = Scripts.Script("lua/issue.lua")
	registerScript     = Scripts.Script("lua/register.lua")
	loginScript        = Scripts.Script("lua/login.lua")
	checkScript        = Scripts.Script("lua/check.lua")
	logoutScript       = Scripts.Script("lua/logout.lua")
	heartbeatScript    = Scripts.Script("lua/heartbeat.lua")
	updateScript       = Scripts.Script("lua/update.lua")
	suspendScript      = Scripts.Script("lua/suspend.lua")
	resumeScript       = Scripts.Script("lua/resume.lua")
	revokeScript       = Scripts.Script("lua/revoke.lua")
	decommissionScript = Scripts.Script("lua/decommission.lua")

	resolveIdentityScript = Scripts.Script("lua/resolve_identity.lua")

	settlePresenceScript = Scripts.Script("lua/settle_presence.lua")
	settleRemovalScript  = Scripts.Script("lua/settle_removal.lua")
	reconcileScript      = Scripts.Script("lua/reconcile_device.lua")
)

// idempotencyTTL is the time for which the replies to Provision and
// IssueActivationCode are stored for requests with an Idempotency-Key.
const idempotencyTTL = 24 * time.Hour

// These are the default and the maximum lifetime of an activation code.
const (
	DefaultActivationTTL = 24 * time.Hour
	MaxActivationTTL     = 2 * 365 * 24 * time.Hour
)

// Config configures a Registry. Store is required.
type Config struct {
	Store *store.Store

	// LoginIdle is the time after which an unused login expires. Each use renews the
	// login. Default: 7 days.
	LoginIdle time.Duration

	// LoginMax is the maximum lifetime of a login. Default: 30 days.
	LoginMax time.Duration

	// ActivationTTL is the lifetime of an activation code, at most MaxActivationTTL. Default: 24 h.
	ActivationTTL time.Duration

	// RepeatWithin is the time after its first login within which a device may still repeat a
	// registration. Before that login it may always do so, because it may have lost the reply.
	// The registration must have an Idempotency-Key. Default: 15 min.
	RepeatWithin time.Duration

	// OnlineWithin is the time for which a device without a socket is online after its
	// last request. Default: 90 s.
	OnlineWithin time.Duration

	// StaleWithin is the time since the last request after which a device is offline.
	// Until then, a device that is not online is stale. Default: 5 min.
	StaleWithin time.Duration

	// HeartbeatEvery is the interval at which devices should send heartbeats. Each reply
	// to a heartbeat varies the interval by up to 10 % to spread the load. Default: 30 s.
	HeartbeatEvery time.Duration

	// Retention is the time for which events are stored. It also applies to commands that
	// end because their device is decommissioned. Default: 30 days.
	Retention time.Duration

	// CodeKey is the secret key that hashes activation codes and encrypts stored replies.
	// All instances need the same key. A code that was issued under another key is not
	// found. Default: the store's hash key, which anyone with a copy of the store has.
	// With a separate key, a copy of the store is not enough to guess codes.
	CodeKey []byte

	// DeviceRate limits the requests of each device. Default: no limit.
	DeviceRate Rate

	// Limits are the installation's quotas of each tenant for devices and stored bytes. Zero:
	// no limit.
	Limits quota.Amounts

	// Logger receives errors about individual devices, such as records that cannot be
	// decoded. Default: slog.Default().
	Logger *slog.Logger
}

// Rate is a limit on the frequency of requests. The zero Rate is no limit.
type Rate struct {
	PerMinute int // sustained requests per minute
	Burst     int // maximum number of requests at once; values below 1 mean 1
}

// args returns the interval in milliseconds and the burst, as check.lua expects them.
func (r Rate) args() (interval float64, burst int) {
	if r.PerMinute <= 0 {
		return 0, 0
	}
	return 60_000 / float64(r.PerMinute), max(r.Burst, 1)
}

// Registry manages the devices of all tenants. It is safe for concurrent use.
type Registry struct {
	store  *store.Store
	cfg    Config
	keys   keyring
	logins credential.Mint
	log    *slog.Logger

	known         *recent.Map[string] // the tenants of logins that were verified, by the hash of the token
	loginSettings []any               // of store.LoginCheck
}

// knownLogins is the maximum number of logins that an instance remembers, at about 200 bytes
// each. A request with another login takes a second round trip.
const knownLogins = 100_000

// New returns a Registry with the given configuration.
func New(cfg Config) *Registry {
	cfg.LoginIdle = cmp.Or(cfg.LoginIdle, 7*24*time.Hour)
	cfg.LoginMax = cmp.Or(cfg.LoginMax, 30*24*time.Hour)
	cfg.ActivationTTL = cmp.Or(cfg.ActivationTTL, DefaultActivationTTL)
	cfg.RepeatWithin = cmp.Or(cfg.RepeatWithin, 15*time.Minute)
	cfg.OnlineWithin = cmp.Or(cfg.OnlineWithin, 90*time.Second)
	cfg.StaleWithin = cmp.Or(cfg.StaleWithin, 5*time.Minute)
	cfg.HeartbeatEvery = cmp.Or(cfg.HeartbeatEvery, 30*time.Second)
	cfg.Retention = cmp.Or(cfg.Retention, store.DefaultRetention)
	if len(cfg.CodeKey) == 0 {
		cfg.CodeKey = cfg.Store.HashKey()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Registry{
		store: cfg.Store, cfg: cfg, keys: keyring(cfg.CodeKey), log: cfg.Logger,
		logins: credential.NewMint(cfg.Store.HashKey(), "device login"),
		known:  recent.New[string](recent.Config{Entries: knownLogins}), loginSettings: loginSettings(cfg),
	}
}

// run runs the script of a transition. It returns an error if the script refuses it.
func (r *Registry) run(ctx context.Context, script *store.Script, keys []string, args []any) (store.Reply, error) {
	reply, err := r.store.Run(ctx, script, keys, args...)
	if err != nil {
		return nil, err
	}
	if err := refusal.Of(reply); err != nil {
		return nil, err
	}
	return reply, nil
}

var errDeviceNotFound = refusal.New(fieldgate.CodeDeviceNotFound)

// refuse returns the error for code. All errors with the same code have the same Detail,
// because the caller must not learn the reason. The reason is only logged.
func refuse(code fieldgate.Code, reason fieldgate.Reason) *fieldgate.Error {
	refused := refusal.New(code)
	refused.Reason = reason
	return refused
}
