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

// Provisioning asks for a new device.
type Provisioning struct {
	Tenant         string
	UserID         string
	RequestID      string
	Name           string
	ExternalID     string // the tenant's own id of it, unique within the tenant; may be empty
	Location       string
	Tags           map[string]string
	IdempotencyKey string // repeats the first answer for 24 h; empty: no memory
}

// Activation is what a device registers itself with.
type Activation struct {
	Code      string // XXXX-XXXX-XXXX; it is in no other answer
	ExpiresAt time.Time
}

// Provision adds a device to the tenant's fleet. Refusals: external_id_taken,
// idempotency_key_reused, validation_failed for a tag's key.
func (r *Registry) Provision(ctx context.Context, p Provisioning) (Device, Activation, error) {
	if err := checkTags(p.Tags); err != nil {
		return Device{}, Activation{}, err
	}
	device := store.Device{Tenant: p.Tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(p.Tenant))}
	issued, err := r.prepareCode(ctx, device)
	if err != nil {
		return Device{}, Activation{}, err
	}
	keys, args, err := r.provisioning(p, device, issued)
	if err != nil {
		return Device{}, Activation{}, err
	}
	reply, err := r.run(ctx, provisionScript, keys, args)
	if err != nil {
		return Device{}, Activation{}, err
	}
	activation, err := r.activation(reply.String(2), reply.String(4), reply.String(5))
	return Device{
		ID: reply.String(2), Tenant: p.Tenant, ExternalID: p.ExternalID, Name: p.Name, Location: p.Location, Tags: p.Tags,
		Status: Provisioned, Presence: NeverConnected, CreatedAt: moment(reply.String(3)),
	}, activation, err
}

// provisioning writes what provision.lua takes.
func (r *Registry) provisioning(p Provisioning, device store.Device, issued issuedCode) (keys []string, args []any, err error) {
	tags, err := pack(p.Tags)
	if err != nil {
		return nil, nil, err
	}
	mark, err := fingerprint("provision", p.Name, p.ExternalID, p.Location, tags)
	if err != nil {
		return nil, nil, err
	}
	tenant, indexes := store.Tenant(p.Tenant), tagKeys(p.Tenant, p.Tags)
	keys = append(device.Keys(), tenant.DevicesKey(), statusKey(p.Tenant, Provisioned), tenant.ExternalIDsKey())
	keys = append(keys, indexes...)
	keys = append(keys, store.IdempotencyKeys(p.Tenant, p.IdempotencyKey)...)
	return keys, r.scope(device, store.ActorUser(p.UserID), p.RequestID).Args(
		p.Name, p.ExternalID, p.Location, tags, len(indexes),
		issued.hash, issued.sealed, r.cfg.ActivationTTL.Milliseconds(), mark, memory.Milliseconds(),
	), nil
}

// Issue asks for a new activation code of a device.
type Issue struct {
	Tenant         string
	DeviceID       string
	UserID         string
	RequestID      string
	IdempotencyKey string // repeats the first answer for 24 h; empty: no memory
}

// IssueActivationCode gives a device a new code; the one before it is dead. An
// active or suspended device may register again with it: that replaces its
// secret and ends the logins made with the old one, which is the way back for a
// device that lost its secret or had it stolen. Until then nothing changes.
// Refusals: device_not_found, device_decommissioned, idempotency_key_reused.
func (r *Registry) IssueActivationCode(ctx context.Context, i Issue) (Activation, error) {
	device, err := locate(i.Tenant, i.DeviceID)
	if err != nil {
		return Activation{}, err
	}
	mark, err := fingerprint("issue", i.DeviceID)
	if err != nil {
		return Activation{}, err
	}
	issued, err := r.prepareCode(ctx, device)
	if err != nil {
		return Activation{}, err
	}
	keys := append(device.Keys(), store.IdempotencyKeys(i.Tenant, i.IdempotencyKey)...)
	reply, err := r.run(ctx, issueScript, keys, r.scope(device, store.ActorUser(i.UserID), i.RequestID).Args(
		issued.hash, issued.sealed, r.cfg.ActivationTTL.Milliseconds(), mark, memory.Milliseconds()))
	if err != nil {
		return Activation{}, err
	}
	return r.activation(device.ID, reply.String(2), reply.String(3))
}

// issuedCode is an activation code as it may be stored.
type issuedCode struct {
	hash   string
	sealed string
}

// prepareCode mints a code and writes the pointer that finds its device. It does
// so before the code is in force: a pointer without a code in force leads to
// nothing, while a code without a pointer could never be used. The pointer
// outlives the code, for a device that repeats a registration of the last second.
func (r *Registry) prepareCode(ctx context.Context, device store.Device) (issuedCode, error) {
	code := newCode()
	sealed, err := r.keys.codeSeal().close(code, device.ID)
	if err != nil {
		return issuedCode{}, err
	}
	issued := issuedCode{hash: r.keys.hashCode(code), sealed: sealed}
	err = r.store.Do(ctx, "point_to_device", func(ctx context.Context, c store.Client) error {
		lives := r.cfg.ActivationTTL + r.cfg.RepeatWithin
		return c.Set(ctx, store.ActivationKey(issued.hash), device.Tenant+" "+device.ID, lives).Err()
	})
	return issued, err
}

// activation reads what a script answered of a code.
func (r *Registry) activation(deviceID, sealed, goodUntil string) (Activation, error) {
	code, err := r.keys.codeSeal().open(sealed, deviceID)
	if err != nil {
		return Activation{}, err
	}
	return Activation{Code: showCode(code), ExpiresAt: moment(goodUntil)}, nil
}

// locate names a device of a tenant. One that cannot be the tenant's is not
// found; whether it is, only the script can tell.
func locate(tenant, id string) (store.Device, error) {
	if !store.OwnsID(tenant, store.KindDevice, id) || !isDeviceID(id) {
		return store.Device{}, errDeviceNotFound
	}
	return store.Device{Tenant: tenant, ID: id}, nil
}

// statusKey is the index of the tenant's devices with a status.
func statusKey(tenant string, status Status) string {
	return store.Tenant(tenant).DevicesByKey("status", string(status))
}

// statusKeys are those indexes in the order that the scripts know.
func statusKeys(tenant string) []string {
	return []string{
		statusKey(tenant, Provisioned), statusKey(tenant, Active),
		statusKey(tenant, Suspended), statusKey(tenant, Decommissioned),
	}
}

// tagKeys are the indexes in which a device with these tags is: for each tag one
// of its key with any value, and one of its key and value.
func tagKeys(tenant string, tags map[string]string) (keys []string) {
	for key, value := range tags {
		keys = append(keys, tagKey(tenant, key), tagKey(tenant, key+":"+value))
	}
	return keys
}

// tagKey is the index of the tenant's devices with a tag, written as lists are
// filtered by it: "key" or "key:value".
func tagKey(tenant, tag string) string { return store.Tenant(tenant).DevicesByKey("tag", tag) }

// tagName is what a tag's key may be. It holds no colon, so that "key:value" can
// be read in one way only.
var tagName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

var errTagName = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "A tag has a key that is not allowed.",
	Fields: []fieldgate.FieldError{{
		Pointer: "/tags", Keyword: "propertyNames", Reason: "keys must be 1 to 64 letters, digits, '.', '_' or '-'",
	}},
}

func checkTags(tags map[string]string) error {
	for key := range tags {
		if !tagName.MatchString(key) {
			return errTagName
		}
	}
	return nil
}

// fingerprint shortens what has to be compared, not read.
func fingerprint(parts ...any) (string, error) {
	raw, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("fingerprinting a request: %w", err)
	}
	return store.DigestOf(string(raw)), nil
}
