package device

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Status is where a device stands with its owner.
type Status string

// A device is provisioned until it registers, then active. Decommissioned is final.
const (
	Provisioned    Status = "provisioned"
	Active         Status = "active"
	Suspended      Status = "suspended"
	Decommissioned Status = "decommissioned"
)

// Presence is whether a device shows itself.
type Presence string

// Presence follows from when the device was heard of last. It is never stored.
const (
	NeverConnected Presence = "never_connected"
	Online         Presence = "online"
	Stale          Presence = "stale"
	Offline        Presence = "offline"
)

// Device is a device of a tenant's fleet. Times are by the store's clock.
type Device struct {
	ID         string
	Tenant     string
	ExternalID string // the tenant's own id of it; empty where it has none
	Name       string
	Location   string
	Tags       map[string]string
	Status     Status
	Presence   Presence

	CreatedAt    time.Time
	RegisteredAt time.Time // when it registered first; zero until then
	LastSeen     time.Time // zero until it was heard of

	Model           string
	FirmwareVersion string // as the device said last
	Metadata        map[string]string

	// What follows is only there when one device is read.

	LastHeartbeat   *LastHeartbeat
	Metrics         map[string]float64 // of the last heartbeat
	ActiveSessionID string
	PendingCommands int64 // that the device could claim
}

// LastHeartbeat is the newest heartbeat of a device.
type LastHeartbeat struct {
	Status     string // ok, busy, degraded or error, as the device judges itself
	ReceivedAt time.Time
}

// Fields of a device's record. The scripts of other packages use tenant, status,
// session, session_until and sequence of the same hash.
const (
	fieldTenant   = "tenant"
	fieldRevision = "revision"
	fieldSecret   = "secret"
	fieldSession  = "session"
)

// shown are the fields of the record that a list needs, none of them secret.
var shown = []string{
	fieldTenant, "status", "name", "external_id", "location", "tags", "created", "registered", "last_seen", "online_until", "model", "firmware",
}

// idDigits are the characters of an id behind its prefix.
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// isDeviceID tells whether NewID could have minted an id.
func isDeviceID(id string) bool {
	_, ok := store.PartitionOfID(store.KindDevice, id)
	return ok && strings.Trim(id[len(store.KindDevice)+1:], idDigits) == ""
}

// decode reads what a list shows of a record.
func (r *Registry) decode(id string, fields map[string]string, now time.Time) (Device, error) {
	d := Device{
		ID: id, Tenant: fields[fieldTenant], Status: Status(fields["status"]),
		Name: fields["name"], ExternalID: fields["external_id"], Location: fields["location"],
		CreatedAt: moment(fields["created"]), RegisteredAt: moment(fields["registered"]), LastSeen: moment(fields["last_seen"]),
		Model: fields["model"], FirmwareVersion: fields["firmware"],
	}
	d.Presence = r.presence(d, moment(fields["online_until"]), now)
	err := unpack(fields["tags"], &d.Tags)
	return d, err
}

// decodeWhole reads all that a record says.
func (r *Registry) decodeWhole(id string, fields map[string]string, now time.Time) (Device, error) {
	d, err := r.decode(id, fields, now)
	if err != nil {
		return Device{}, err
	}
	if at := moment(fields["heartbeat"]); !at.IsZero() {
		d.LastHeartbeat = &LastHeartbeat{Status: fields["heartbeat_status"], ReceivedAt: at}
	}
	if moment(fields["session_until"]).After(now) {
		d.ActiveSessionID = fields[fieldSession]
	}
	if err := unpack(fields["metadata"], &d.Metadata); err != nil {
		return Device{}, err
	}
	return d, unpack(fields["metrics"], &d.Metrics)
}

// unpack reads a map that a field holds as JSON; an empty field holds none.
func unpack[V any](field string, m *map[string]V) error {
	if field == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(field), m); err != nil {
		return fmt.Errorf("reading the record of a device: %w", err)
	}
	return nil
}

// pack writes a map as a field: the same map always the same way.
func pack[V any](m map[string]V) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("writing the record of a device: %w", err)
	}
	return string(raw), nil
}

// moment reads Unix milliseconds; anything else is the zero time.
func moment(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
