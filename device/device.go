package device

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Status is the lifecycle status of a device.
type Status string

// A device is provisioned until it registers, and then active. Decommissioned is final.
const (
	Provisioned    Status = "provisioned"
	Active         Status = "active"
	Suspended      Status = "suspended"
	Decommissioned Status = "decommissioned"
)

// Presence is the reachability of a device.
type Presence string

// These are the values of Presence. Reading a device computes its presence from its
// status, its socket and the time of its last request.
const (
	NeverConnected Presence = "never_connected"
	Online         Presence = "online"
	Stale          Presence = "stale"
	Offline        Presence = "offline"
)

// Device is a device of a tenant. All times are by the store's clock.
type Device struct {
	ID         string
	Tenant     string
	ExternalID string // id that the tenant gave the device; may be empty
	Name       string
	Location   string
	Tags       map[string]string
	Status     Status
	Presence   Presence

	CreatedAt    time.Time
	RegisteredAt time.Time // time of the first registration; zero before that
	LastSeen     time.Time // time of the last request; zero before the first request

	Model           string
	FirmwareVersion string // as last reported by the device

	IdentityConflict *IdentityConflict // nil if one instance uses the identity of the device

	// List leaves the following fields empty.

	Metadata        map[string]string  // as reported when the device registered
	LastHeartbeat   *LastHeartbeat     // nil before the first heartbeat
	Metrics         map[string]float64 // metrics in the last heartbeat
	ActiveSessionID string             // empty if the device has no active session

	// Only Get sets the following field.

	PendingCommands int64 // number of commands that the device can claim
}

// LastHeartbeat is the latest heartbeat of a device.
type LastHeartbeat struct {
	Status     string // ok, busy, degraded or error, as reported by the device
	Reason     string // reason of the status, as reported by the device; may be empty
	ReceivedAt time.Time
}

// These are the fields of a device's record that Go code uses in several places. The
// record is a hash. Scripts of other packages use the fields tenant, status, session,
// session_until and sequence.
const (
	fieldTenant   = "tenant"
	fieldRevision = "revision"
	fieldSecret   = "secret"
	fieldSession  = "session"
)

// listFields are the fields of the record that List reads. None of them is secret.
var listFields = []string{
	fieldTenant, "status", "name", "external_id", "location", "tags", "created", "registered", "last_seen", "online_until", "model", "firmware",
	"conflict", "instances",
}

// summaryFields are the fields of the record that List compares with a Filter: the status, texts, and
// from the position summaryTexts on, texts in maps.
var summaryFields = []string{"status", "name", "external_id", "location", "model", "firmware", "tags", "metadata"}

const summaryTexts = 6

// decode converts a record to a Device, with the fields that List returns.
func (r *Registry) decode(id string, fields map[string]string, now time.Time) (Device, error) {
	d := Device{
		ID: id, Tenant: fields[fieldTenant], Status: Status(fields["status"]),
		Name: fields["name"], ExternalID: fields["external_id"], Location: fields["location"],
		CreatedAt: store.ParseTime(fields["created"]), RegisteredAt: store.ParseTime(fields["registered"]), LastSeen: store.ParseTime(fields["last_seen"]),
		Model: fields["model"], FirmwareVersion: fields["firmware"],
	}
	d.Presence = r.presence(d, store.ParseTime(fields["online_until"]), now)
	d.IdentityConflict = decodeConflict(fields)
	err := decodeMap(fields["tags"], &d.Tags)
	return d, err
}

// decodeFull converts a record to a Device, with all fields that the record contains.
func (r *Registry) decodeFull(id string, fields map[string]string, now time.Time) (Device, error) {
	d, err := r.decode(id, fields, now)
	if err != nil {
		return Device{}, err
	}
	if at := store.ParseTime(fields["heartbeat"]); !at.IsZero() {
		d.LastHeartbeat = &LastHeartbeat{Status: fields["heartbeat_status"], Reason: fields["heartbeat_reason"], ReceivedAt: at}
	}
	if store.ParseTime(fields["session_until"]).After(now) {
		d.ActiveSessionID = fields[fieldSession]
	}
	if err := decodeMap(fields["metadata"], &d.Metadata); err != nil {
		return Device{}, err
	}
	return d, decodeMap(fields["metrics"], &d.Metrics)
}

// decodeMap decodes the JSON in field into the map m. If field is empty, it leaves m
// unchanged.
func decodeMap[V any](field string, m *map[string]V) error {
	if field == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(field), m); err != nil {
		return fmt.Errorf("decoding the record of a device: %w", err)
	}
	return nil
}

// encodeMap encodes a map as JSON for a field of a record. Equal maps have equal
// encodings.
func encodeMap[V any](m map[string]V) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encoding the record of a device: %w", err)
	}
	return string(raw), nil
}
