package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// Partitions is the number of partitions that tenants are spread over. It is
// written to the store at the first start and may never change afterwards,
// because it decides where every key lives.
const Partitions = 256

// digits is Crockford's base32 alphabet in lower case, the one of our ids.
const digits = "0123456789abcdefghjkmnpqrstvwxyz"

// Partition is one of the parts of the store that a Redis Cluster can place
// apart. All that belongs to a tenant is in one of them, so that each
// transition is one script on one slot.
type Partition uint8

// PartitionOf gives the partition of a tenant.
func PartitionOf(tenant string) Partition {
	h := fnv.New32a()
	h.Write([]byte(tenant))
	return Partition(h.Sum32() % Partitions)
}

// String writes the partition as the two characters that ids and keys carry.
func (p Partition) String() string {
	return string([]byte{digits[p>>5], digits[p&31]})
}

// parsePartition reads the two characters of String.
func parsePartition(s string) (Partition, bool) {
	if len(s) != 2 {
		return 0, false
	}
	hi, lo := strings.IndexByte(digits, s[0]), strings.IndexByte(digits, s[1])
	if hi < 0 || lo < 0 || hi<<5|lo >= Partitions {
		return 0, false
	}
	return Partition(hi<<5 | lo), true
}

// Kinds of ids: the prefix tells a person what an id is for.
const (
	KindDevice  = "dev"
	KindSession = "ses"
	KindCommand = "cmd"
)

// NewID mints an id: its kind, its partition and a ULID, which sorts by time of
// creation. Those that one process mints within a millisecond sort so, too.
func NewID(kind string, p Partition) string {
	return kind + "_" + p.String() + strings.ToLower(ulid.Make().String())
}

// PartitionOfID reads the partition out of an id of the given kind. It answers
// false for anything that NewID cannot have minted.
func PartitionOfID(kind, id string) (Partition, bool) {
	rest, found := strings.CutPrefix(id, kind+"_")
	if !found || len(rest) != 2+ulid.EncodedSize || strings.Trim(rest, digits) != "" {
		return 0, false
	}
	if rest[2] > '7' { // a ULID has 128 bits, two fewer than its 26 digits
		return 0, false
	}
	return parsePartition(rest[:2])
}

// IsID reports whether NewID could have returned an id of the given kind.
func IsID(kind, id string) bool {
	_, ok := PartitionOfID(kind, id)
	return ok
}

// OwnsID tells whether an id could be one of the tenant's. It saves the store a
// question; the record's own tenant is what decides.
func OwnsID(tenant, kind, id string) bool {
	p, ok := PartitionOfID(kind, id)
	return ok && p == PartitionOf(tenant)
}

// key builds a key of a partition. Every key of the gateway is built in this
// file; the braces are what Redis Cluster hashes.
func (p Partition) key(parts ...string) string {
	return "fg:{" + p.String() + "}:" + strings.Join(parts, ":")
}

// DueKey is the index of everything in the partition that a moment in time will
// change: a sorted set of due members by Unix milliseconds.
func (p Partition) DueKey() string { return p.key("due") }

// TenantsKey is the index of the tenants in the partition that have ever opened a
// session: those that can have commands.
func (p Partition) TenantsKey() string { return p.key("tenants") }

// QuarantineKey is the list of members that could not be read and were set aside.
func (p Partition) QuarantineKey() string { return p.key("quarantine") }

// ActivationKey finds the device of an activation code by the code's keyed hash.
// It is spread by that hash, because a device that registers knows no partition
// yet.
func ActivationKey(hash string) string {
	return PartitionOf(hash).key("activation", hash)
}

// RateKey holds the rate limit of something that has no tenant yet, such as an address.
func RateKey(scope, subject string) string {
	return PartitionOf(subject).key("rate", scope, subject)
}

// Tenant names the keys of one customer. It holds no colon, which separates in
// keys, and no space, which separates in members and messages: package customer
// sees to that.
type Tenant string

func (t Tenant) key(parts ...string) string {
	return PartitionOf(string(t)).key(append([]string{"tenant", string(t)}, parts...)...)
}

// StreamKey is the tenant's event stream, trimmed, for realtime.
func (t Tenant) StreamKey() string { return t.key("events") }

// InboxKey is the sorted set of commands that wait for a person's decision.
func (t Tenant) InboxKey() string { return t.key("inbox") }

// DevicesKey is the tenant's index of devices, ordered by id and so by age.
func (t Tenant) DevicesKey() string { return t.key("devices") }

// DevicesByKey is the index of the tenant's devices that share a property, such
// as ("status", "active") or ("tag", "site=berlin").
func (t Tenant) DevicesByKey(property, value string) string {
	return t.key("devices", property, value)
}

// ExternalIDsKey maps the customer's own serial numbers to device ids.
func (t Tenant) ExternalIDsKey() string { return t.key("external") }

// SessionsKey is the tenant's index of support sessions, ordered by id and so by age.
func (t Tenant) SessionsKey() string { return t.key("sessions") }

// IdempotencyKeys is the key that remembers the answer to a request, and none
// for a request without an Idempotency-Key.
func IdempotencyKeys(tenant, header string) []string {
	if header == "" {
		return nil
	}
	return []string{Tenant(tenant).key("idempotency", DigestOf(header))}
}

// DigestOf makes a part of a key of something that the caller chose freely.
func DigestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// RateKey holds the tenant's rate limit.
func (t Tenant) RateKey() string { return t.key("rate") }

// ConnectionsKey is the tenant's index of open sockets, by connection id.
func (t Tenant) ConnectionsKey() string { return t.key("connections") }

// ConnectionKey is the record of an open socket; it lives as long as its lease.
func (t Tenant) ConnectionKey(id string) string { return t.key("connection", id) }

// TicketKey is a ticket that opens a socket once, by its hash (hexadecimal). It
// is spread by that hash, because whoever shows it names no tenant.
func TicketKey(hash string) string { return PartitionOf(hash).key("ticket", hash) }

// SessionKey is the record of a support session.
func SessionKey(id string) string {
	p, _ := PartitionOfID(KindSession, id)
	return p.key("session", id)
}

// Device names the keys of one device.
type Device struct {
	Tenant string
	ID     string
}

func (d Device) key(parts ...string) string {
	return PartitionOf(d.Tenant).key(append([]string{"device", d.ID}, parts...)...)
}

// RecordKey is the device's own record.
func (d Device) RecordKey() string { return DeviceKey(d.ID) }

// DeviceKey is the record of a device of which only the id is known. Where the id
// is none, nothing is ever under the key; so with the other keys of an id alone.
func DeviceKey(id string) string {
	p, _ := PartitionOfID(KindDevice, id)
	return p.key("device", id)
}

// CommandsKey holds every command of the device: for each id its state, and
// under "<id>:body" what was proposed.
func (d Device) CommandsKey() string { return d.key("commands") }

// IndexKey orders the device's commands by session and age: "<session>:<command>".
func (d Device) IndexKey() string { return d.key("index") }

// ReadyKey is the line of commands that may be claimed now.
func (d Device) ReadyKey() string { return d.key("ready") }

// AliveKeys are the sorted sets of the commands that have not ended: the line,
// those that wait for a person, and those under a lease.
func (d Device) AliveKeys() []string {
	return []string{d.ReadyKey(), d.key("pending"), d.key("leases")}
}

// SessionsKey is the device's index of support sessions.
func (d Device) SessionsKey() string { return d.key("sessions") }

// TimelineKey is what happened to the device and in its sessions, for audit.
func (d Device) TimelineKey() string { return d.key("timeline") }

// CancelsKey holds the ids of claimed commands that somebody wants cancelled.
func (d Device) CancelsKey() string { return d.key("cancels") }

// LoginKey is a login session of the device, by the SHA-256 of its token.
func LoginKey(deviceID, hash string) string {
	p, _ := PartitionOfID(KindDevice, deviceID)
	return p.key("login", hash)
}

// RateKey holds the device's rate limit.
func (d Device) RateKey() string { return d.key("rate") }

// DeviceRateKey is RateKey for a device of which only the id is known.
func DeviceRateKey(id string) string {
	p, _ := PartitionOfID(KindDevice, id)
	return p.key("device", id, "rate")
}

// LoginsKey lists the hashes of the device's login sessions, the newest last.
func LoginsKey(deviceID string) string {
	p, _ := PartitionOfID(KindDevice, deviceID)
	return p.key("device", deviceID, "logins")
}

// RegistrationKey remembers the answer to a registration, by the digest of its
// Idempotency-Key.
func (d Device) RegistrationKey(digest string) string { return d.key("registration", digest) }

// ResultKey is what a device reported for a command.
func ResultKey(commandID string) string {
	p, _ := PartitionOfID(KindCommand, commandID)
	return p.key("result", commandID)
}

// ClaimKey remembers the answer to a claim, by the digest of its Idempotency-Key.
func (d Device) ClaimKey(digest string) string { return d.key("claim", digest) }

// Keys is the device's key set: every key that a transition of one of its
// commands may touch. The order is that of lua/device.lua.
func (d Device) Keys() []string {
	t, p := Tenant(d.Tenant), PartitionOf(d.Tenant)
	return []string{
		d.RecordKey(), d.CommandsKey(), d.IndexKey(), d.ReadyKey(),
		d.key("pending"), d.key("leases"), d.CancelsKey(), d.TimelineKey(),
		t.StreamKey(), t.InboxKey(), p.DueKey(), p.QuarantineKey(),
	}
}
