package device

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Provisioning is a request to add a device.
type Provisioning struct {
	Tenant         string
	UserID         string
	Names          fieldgate.Names
	RequestID      string
	Name           string
	ExternalID     string // id that the tenant gave the device, unique in the tenant; may be empty
	Location       string
	Tags           map[string]string
	IdempotencyKey string // a retry of the user with the same key within 24 h gets the same reply; may be empty
}

// Activation is the code with which a device registers.
type Activation struct {
	Code      string // in the form XXXX-XXXX-XXXX; it cannot be read later
	ExpiresAt time.Time
}

// Provision adds a device to a tenant. Errors: external_id_taken, quota_exceeded,
// idempotency_key_reused, validation_failed for an invalid tag key.
func (r *Registry) Provision(ctx context.Context, p Provisioning) (Device, Activation, error) {
	if err := checkTags(p.Tags); err != nil {
		return Device{}, Activation{}, err
	}
	device := store.Device{Tenant: p.Tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(p.Tenant))}
	code, err := r.prepareCode(ctx, device, p.IdempotencyKey)
	if err != nil {
		return Device{}, Activation{}, err
	}
	keys, args, err := r.provisionArgs(p, device, code)
	if err != nil {
		return Device{}, Activation{}, err
	}
	reply, err := r.run(ctx, provisionScript, keys, args)
	r.dropUnissued(ctx, device, code, reply.String(4), err)
	if err != nil {
		return Device{}, Activation{}, err
	}
	activation, err := activationOf(code, reply.String(2), reply.String(4), reply.String(5))
	return Device{
		ID: reply.String(2), Tenant: p.Tenant, ExternalID: p.ExternalID, Name: p.Name, Location: p.Location, Tags: p.Tags,
		Status: Provisioned, Presence: NeverConnected, CreatedAt: store.ParseTime(reply.String(3)),
	}, activation, err
}

// provisionArgs returns the keys and arguments of provision.lua.
func (r *Registry) provisionArgs(p Provisioning, device store.Device, code issued) (keys []string, args []any, err error) {
	tags, err := encodeMap(p.Tags)
	if err != nil {
		return nil, nil, err
	}
	digest, earlier, err := fingerprints(p.UserID, "provision", p.Name, p.ExternalID, p.Location, tags)
	if err != nil {
		return nil, nil, err
	}
	tenant, indexes := store.Tenant(p.Tenant), tagIndexKeys(p.Tenant, p.Tags)
	keys = append(device.Keys(), tenant.DevicesKey(), statusIndexKey(p.Tenant, Provisioned), tenant.ExternalIDsKey(),
		store.PartitionOf(p.Tenant).TenantsKey(), statusIndexKey(p.Tenant, Decommissioned))
	keys = append(keys, indexes...)
	keys = append(keys, store.IdempotencyKeys(p.Tenant, p.IdempotencyKey)...)
	return keys, store.NewScope(device, store.ActorUser(p.UserID), p.RequestID, r.cfg.Retention).WithNames(p.Names).Args(
		p.Name, p.ExternalID, p.Location, tags, len(indexes),
		code.hash, code.sealed, r.cfg.ActivationTTL.Milliseconds(), digest, idempotencyTTL.Milliseconds(),
		r.cfg.Limits.Devices, r.cfg.Limits.StoredBytes, earlier,
	), nil
}

// IssueRequest is a request for a new activation code of a device.
type IssueRequest struct {
	Tenant         string
	DeviceID       string
	UserID         string
	Names          fieldgate.Names
	RequestID      string
	IdempotencyKey string // a retry of the user with the same key within 24 h gets the same reply; may be empty
}

// IssueActivationCode issues a new activation code and invalidates the previous one.
// A device that is active or suspended may register again with the new code. That
// replaces its secret and ends the logins made with the old one, so it is the way to
// recover a device whose secret is lost or stolen. Until then the old secret stays valid.
// Errors: device_not_found, device_decommissioned, idempotency_key_reused.
func (r *Registry) IssueActivationCode(ctx context.Context, i IssueRequest) (Activation, error) {
	device, err := locate(i.Tenant, i.DeviceID)
	if err != nil {
		return Activation{}, err
	}
	digest, earlier, err := fingerprints(i.UserID, "issue", i.DeviceID)
	if err != nil {
		return Activation{}, err
	}
	code, err := r.prepareCode(ctx, device, i.IdempotencyKey)
	if err != nil {
		return Activation{}, err
	}
	keys := append(device.Keys(), store.IdempotencyKeys(i.Tenant, i.IdempotencyKey)...)
	reply, err := r.run(ctx, issueScript, keys, store.NewScope(device, store.ActorUser(i.UserID), i.RequestID, r.cfg.Retention).WithNames(i.Names).Args(
		code.hash, code.sealed, r.cfg.ActivationTTL.Milliseconds(), digest, idempotencyTTL.Milliseconds(), earlier))
	r.dropUnissued(ctx, device, code, reply.String(2), err)
	if err != nil {
		return Activation{}, err
	}
	r.dropCode(ctx, device, reply.String(4), reply.String(5))
	return activationOf(code, device.ID, reply.String(2), reply.String(3))
}

// prepareCode creates a code and writes a pointer from the code to the device. The
// pointer must be written before the code becomes valid. A pointer without a valid code
// is harmless, but a code without a pointer could never be used. The pointer outlives the
// code by RepeatWithin, so that a device can repeat a registration that it made just
// before the code expired.
func (r *Registry) prepareCode(ctx context.Context, device store.Device, idempotencyKey string) (issued, error) {
	code, err := r.keys.issueCode(device.ID, idempotencyKey)
	if err != nil {
		return issued{}, err
	}
	err = r.store.Do(ctx, "point_to_device", func(ctx context.Context, c store.Client) error {
		ttl := r.cfg.ActivationTTL + r.cfg.RepeatWithin
		return c.Set(ctx, store.ActivationKey(code.hash), device.Tenant+" "+device.ID, ttl).Err()
	})
	return code, err
}

// activationOf returns the activation code in the reply of a script, which was given code.
func activationOf(code issued, deviceID, sealed, expires string) (Activation, error) {
	text, err := code.open(sealed, deviceID)
	if err != nil {
		return Activation{}, err
	}
	return Activation{Code: formatCode(text), ExpiresAt: store.ParseTime(expires)}, nil
}

// locate returns the store keys of a tenant's device. It returns device_not_found if the
// id cannot belong to the tenant. It does not check whether the device exists, because
// only the script can check that.
func locate(tenant, id string) (store.Device, error) {
	if !store.OwnsID(tenant, store.KindDevice, id) {
		return store.Device{}, errDeviceNotFound
	}
	return store.Device{Tenant: tenant, ID: id}, nil
}

// statusIndexKey returns the key of the index of a tenant's devices that have the given
// status.
func statusIndexKey(tenant string, status Status) string {
	return store.Tenant(tenant).DevicesByKey("status", string(status))
}

// statusIndexKeys returns the keys of all status indexes, in the order that the
// scripts expect.
func statusIndexKeys(tenant string) []string {
	return []string{
		statusIndexKey(tenant, Provisioned), statusIndexKey(tenant, Active),
		statusIndexKey(tenant, Suspended), statusIndexKey(tenant, Decommissioned),
	}
}

// tagIndexKeys returns the keys of the indexes that contain a device with these tags.
// Each tag has two indexes: one for devices with the same tag key, and one for devices
// with the same tag key and value.
func tagIndexKeys(tenant string, tags map[string]string) (keys []string) {
	for key, value := range tags {
		keys = append(keys, tagIndexKey(tenant, key), tagIndexKey(tenant, key+":"+value))
	}
	return keys
}

// tagIndexKey returns the key of the index of a tenant's devices that have the given tag.
// The tag is written as in a Filter: "key" or "key:value".
func tagIndexKey(tenant, tag string) string { return store.Tenant(tenant).DevicesByKey("tag", tag) }

// tagKeyPattern matches valid tag keys. It excludes the colon, so that "key:value" is
// unambiguous.
var tagKeyPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

var errTagKey = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "A tag key is not valid: use 1 to 64 letters, digits, '.', '_' or '-'.",
	Fields: []fieldgate.FieldError{{
		Pointer: "/tags", Keyword: "propertyNames", Reason: "keys must be 1 to 64 letters, digits, '.', '_' or '-'",
	}},
}

func checkTags(tags map[string]string) error {
	for key := range tags {
		if !tagKeyPattern.MatchString(key) {
			return errTagKey
		}
	}
	return nil
}

// fingerprints returns the fingerprint of a user's request, and the one that earlier releases
// computed without the user. The scripts accept the latter in replies that those have stored.
func fingerprints(userID string, parts ...any) (current, earlier string, err error) {
	if earlier, err = fingerprint(parts...); err != nil {
		return "", "", err
	}
	current, err = fingerprint(append([]any{store.ActorUser(userID)}, parts...)...)
	return current, earlier, err
}

// fingerprint returns a digest of the parts of a request. A retry with the same
// Idempotency-Key is accepted only if its fingerprint is the same.
func fingerprint(parts ...any) (string, error) {
	raw, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("fingerprinting a request: %w", err)
	}
	return store.DigestOf(string(raw)), nil
}
