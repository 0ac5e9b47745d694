// Package device is the registry of the fleet: who a device is, how it proves
// it, and whether it is there. A device is provisioned by a person, registers
// itself once with an activation code, logs in with the secret that it got, and
// is suspended or decommissioned by a person. Every transition is one script in
// lua/, and the store's clock is the only one that decides.
//
// Activation codes, secrets and tokens are never in the store: only their
// hashes are, and, for answers that may be repeated, copies that are sealed.
package device

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var (
	provisionScript    = store.NewScript(files, "lua/provision.lua")
	issueScript        = store.NewScript(files, "lua/issue.lua")
	registerScript     = store.NewScript(files, "lua/register.lua")
	loginScript        = store.NewScript(files, "lua/login.lua")
	checkScript        = store.NewScript(files, "lua/check.lua")
	logoutScript       = store.NewScript(files, "lua/logout.lua")
	heartbeatScript    = store.NewScript(files, "lua/heartbeat.lua")
	updateScript       = store.NewScript(files, "lua/update.lua")
	suspendScript      = store.NewScript(files, "lua/suspend.lua")
	resumeScript       = store.NewScript(files, "lua/resume.lua")
	revokeScript       = store.NewScript(files, "lua/revoke.lua")
	decommissionScript = store.NewScript(files, "lua/decommission.lua")

	settlePresenceScript = store.NewScript(files, "lua/settle_presence.lua")
)

// memory is how long the answers to a provisioning and to the issue of a code
// are remembered for requests that carry an Idempotency-Key.
const memory = 24 * time.Hour

// Config says how devices live.
type Config struct {
	Store *store.Store

	// LoginIdle is how long a login lives unused; each use renews it. Default: 7 days.
	LoginIdle time.Duration

	// LoginMax is how long a login lives, however much it is used. Default: 30 days.
	LoginMax time.Duration

	// ActivationTTL is how long an activation code is good. Default: 24 h.
	ActivationTTL time.Duration

	// RepeatWithin is how long a registration with an Idempotency-Key may be
	// repeated by a device that lost the answer. Default: 15 min.
	RepeatWithin time.Duration

	// OnlineWithin is how lately a device that is online was heard of. Default: 90 s.
	OnlineWithin time.Duration

	// StaleWithin is how lately a device that is stale was heard of; after it, the
	// device is offline. Default: 5 min.
	StaleWithin time.Duration

	// HeartbeatEvery is what devices are told to wait between heartbeats; each
	// answer is up to 10 % off, to spread the fleet. Default: 30 s.
	HeartbeatEvery time.Duration

	// Retention is how long events are kept, and commands that a decommissioning
	// ends. Default: 30 days.
	Retention time.Duration

	// CodeKey is the secret under which activation codes are hashed, and under
	// which answers that may be repeated are sealed. All instances need the same
	// one; a code that was given out under another is not found. Default: the
	// store's hash key, which is kept in the store; with one of your own, a copy of
	// the store alone is not enough to try codes.
	CodeKey []byte

	// DeviceRate limits the requests of each device. Default: not limited.
	DeviceRate Rate

	// Logger is told of records that cannot be read. Default: slog.Default().
	Logger *slog.Logger
}

// Rate is how often something may happen. The zero Rate is no limit.
type Rate struct {
	PerMinute int // sustained
	Burst     int // at once; at least 1
}

// args are the interval in ms and the burst, as check.lua takes them.
func (r Rate) args() (interval float64, burst int) {
	if r.PerMinute <= 0 {
		return 0, 0
	}
	return 60_000 / float64(r.PerMinute), max(r.Burst, 1)
}

// Registry holds the devices of all tenants. It is safe for concurrent use.
type Registry struct {
	store *store.Store
	cfg   Config
	keys  keyring
	log   *slog.Logger
}

// New makes a registry over a store.
func New(cfg Config) *Registry {
	setDefault(&cfg.LoginIdle, 7*24*time.Hour)
	setDefault(&cfg.LoginMax, 30*24*time.Hour)
	setDefault(&cfg.ActivationTTL, 24*time.Hour)
	setDefault(&cfg.RepeatWithin, 15*time.Minute)
	setDefault(&cfg.OnlineWithin, 90*time.Second)
	setDefault(&cfg.StaleWithin, 5*time.Minute)
	setDefault(&cfg.HeartbeatEvery, 30*time.Second)
	setDefault(&cfg.Retention, 30*24*time.Hour)
	if len(cfg.CodeKey) == 0 {
		cfg.CodeKey = cfg.Store.HashKey()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Registry{store: cfg.Store, cfg: cfg, keys: keyring(cfg.CodeKey), log: cfg.Logger}
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// scope says on whose behalf a transition is made.
func (r *Registry) scope(d store.Device, actor, requestID string) store.Scope {
	return store.Scope{Device: d, Actor: actor, RequestID: requestID, Retention: r.cfg.Retention}
}

// run makes a transition. What a script refused is an error.
func (r *Registry) run(ctx context.Context, script *store.Script, keys []string, args []any) (store.Reply, error) {
	reply, err := r.store.Run(ctx, script, keys, args...)
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, refusal(reply)
	}
	return reply, nil
}

// tries is how often a transition that depends on what was read before is tried
// when others come in between.
const tries = 4

// stale is what a script answers when what was read before is not so any more.
const stale fieldgate.Code = "stale"

// persist tries a transition until nothing came in between.
func persist(transition func() (store.Reply, error)) (reply store.Reply, err error) {
	for range tries {
		reply, err = transition()
		if !errors.Is(err, errStale) {
			return reply, err
		}
	}
	return nil, &fieldgate.Error{
		Code: fieldgate.CodeRateLimited, Detail: "Too many requests change this device at once.",
		RetryAfter: time.Second, Cause: err,
	}
}

// details says, for each code that a script answers, what it means to the caller.
var details = map[fieldgate.Code]string{
	fieldgate.CodeUnauthorized:          "The token is missing, expired or not valid.",
	fieldgate.CodeInvalidActivationCode: "The activation code is not valid.",
	fieldgate.CodeInvalidCredentials:    "The device id or the secret is wrong.",
	fieldgate.CodeDeviceSuspended:       "The device is suspended.",
	fieldgate.CodeDeviceNotFound:        "There is no such device.",
	fieldgate.CodeDeviceDecommissioned:  "The device was decommissioned, which is final.",
	fieldgate.CodeExternalIDTaken:       "Another device of this tenant has this externalId.",
	fieldgate.CodeIdempotencyKeyReused:  "This Idempotency-Key belongs to another request.",
	fieldgate.CodeRateLimited:           "The device sends too many requests.",
}

var (
	errStale          = errors.New("another change of the device came in between")
	errDeviceNotFound = refuse(fieldgate.CodeDeviceNotFound, "")
)

// refuse makes the one answer that a code has. The reason is for the log only:
// the caller must not be able to tell one from another.
func refuse(code fieldgate.Code, reason string) *fieldgate.Error {
	refused := fieldgate.Refuse(code, details[code])
	if reason != "" {
		refused.Cause = errors.New(reason)
	}
	return refused
}

// refusal turns what a script answered into what the caller is told.
func refusal(reply store.Reply) error {
	code := reply.Code()
	if code == stale {
		return errStale
	}
	if _, known := details[code]; !known {
		return fmt.Errorf("a script answered %q", code)
	}
	if code == fieldgate.CodeRateLimited {
		limited := refuse(code, "")
		limited.RetryAfter = time.Duration(reply.Int(2)) * time.Millisecond
		return limited
	}
	return refuse(code, reply.String(2))
}
