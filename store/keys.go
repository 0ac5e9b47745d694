package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// Partitions is the number of partitions that tenants are distributed over. It is
// written to the store at the first start and must never change afterwards,
// because every key depends on it.
const Partitions = 256

// digits is the alphabet of ids: Crockford's base32 in lower case.
const digits = "0123456789abcdefghjkmnpqrstvwxyz"

// Partition is a part of the store that a Redis Cluster can place on a node of its
// own. All keys of a tenant are in one partition and hence in one slot, so that
// each transition can be one script.
type Partition uint8

// PartitionOf returns the partition of a tenant.
func PartitionOf(tenant string) Partition {
	h := fnv.New32a()
	h.Write([]byte(tenant))
	return Partition(h.Sum32() % Partitions)
}

// String returns the partition as the two digits that ids and keys contain.
func (p Partition) String() string {
	return string([]byte{digits[p>>5], digits[p&31]})
}

// parsePartition parses the two digits that String returns.
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

// These are the kinds of ids. An id begins with its kind, so that people can recognize
// it.
const (
	KindDevice  = "dev"
	KindSession = "ses"
	KindCommand = "cmd"
)

// NewID returns a new id: its kind, its partition and a ULID. Ids of one kind and
// partition sort by the time of their creation. Ids from the same millisecond sort by age
// only if one process created them.
func NewID(kind string, p Partition) string {
	return kind + "_" + p.String() + strings.ToLower(ulid.Make().String())
}

// PartitionOfID returns the partition of an id of the given kind. It returns false for a
// string that NewID cannot have created.
func PartitionOfID(kind, id string) (Partition, bool) {
	rest, found := strings.CutPrefix(id, kind+"_")
	if !found || len(rest) != 2+ulid.EncodedSize || strings.Trim(rest, digits) != "" {
		return 0, false
	}
	if rest[2] > '7' { // a ULID has 128 bits, but 26 digits can hold 130
		return 0, false
	}
	return parsePartition(rest[:2])
}

// IsID reports whether NewID could have returned an id of the given kind.
func IsID(kind, id string) bool {
	_, ok := PartitionOfID(kind, id)
	return ok
}

// OwnsID reports whether an id is in the partition of a tenant. If it returns false, the
// tenant cannot own the id, and no request to Redis is needed. If it returns true, the
// tenant field of the record decides.
func OwnsID(tenant, kind, id string) bool {
	p, ok := PartitionOfID(kind, id)
	return ok && p == PartitionOf(tenant)
}

// key returns a key of the partition. This file builds every key of the gateway.
// Redis Cluster hashes only the text in braces.
func (p Partition) key(parts ...string) string {
	return "fg:{" + p.String() + "}:" + strings.Join(parts, ":")
}

// partitionOfKey returns the partition of a key that the method key returned. It returns false for
// any other key.
func partitionOfKey(key string) (Partition, bool) {
	digits, found := strings.CutPrefix(key, "fg:{")
	digits, _, closed := strings.Cut(digits, "}")
	if !found || !closed {
		return 0, false
	}
	return parsePartition(digits)
}

// SurveyKey is the key of the last survey of all tenants, and SurveyTurnKey that of the turn of the
// instance that takes the next one. Both expire. Package gateway writes them.
const (
	SurveyKey     = "fg:survey"
	SurveyTurnKey = "fg:survey:turn"
)

// DueKey returns the key of the partition's due index. The index is a sorted set of the
// records that have to change at a later time. The score is that time in Unix
// milliseconds.
func (p Partition) DueKey() string { return p.key("due") }

// TenantsKey returns the key of the index of those tenants in the partition that have
// devices. Other tenants cannot have sessions or commands.
func (p Partition) TenantsKey() string { return p.key("tenants") }

// QuarantineKey returns the key of the list of due members that the sweeper could not
// settle.
func (p Partition) QuarantineKey() string { return p.key("quarantine") }

// CutOffTenantsKey returns the key of the index of those tenants in the partition that have
// cut-offs. The score of a tenant changes with each of its cut-offs.
func (p Partition) CutOffTenantsKey() string { return p.key("cut-offs") }

// ActivationKey returns the key that maps an activation code to its device. The hash is
// the keyed hash of the code. The partition depends on the hash, because a device that
// registers does not know its tenant yet.
func ActivationKey(hash string) string {
	return PartitionOf(hash).key("activation", hash)
}

// RateKey returns the key of the rate limit of a subject that has no tenant, such as an
// IP address.
func RateKey(scope, subject string) string {
	return PartitionOf(subject).key("rate", scope, subject)
}

// IssuerKeysKey returns the key of the record with the public keys of the token issuer that
// publishes them at the URL.
func IssuerKeysKey(url string) string {
	digest := DigestOf(url)
	return PartitionOf(digest).key("issuer-keys", digest)
}

// Tenant is the name of a tenant, and builds the tenant's keys. Package customer ensures
// that the name contains no colon and no space. Colons separate the parts of keys, and
// spaces separate the parts of due members and wake-ups.
type Tenant string

// key returns a key of the tenant.
func (t Tenant) key(parts ...string) string {
	return PartitionOf(string(t)).key(append([]string{"tenant", string(t)}, parts...)...)
}

// StreamKey returns the key of the tenant's event stream. The stream is trimmed to a
// maximum length. Sockets get their events from it.
func (t Tenant) StreamKey() string { return t.key("events") }

// copyKey returns the key of the unfinished copy of a stream, in the slot of the stream.
func copyKey(stream string) string { return stream + ":copy" }

// InboxKey returns the key of the sorted set of commands that await approval.
func (t Tenant) InboxKey() string { return t.key("inbox") }

// CommandsKey returns the key of the sorted set of the tenant's commands, by the time of their
// creation in Unix milliseconds. Its members are those that Device.ListedMember returns.
func (t Tenant) CommandsKey() string { return t.key("commands") }

// DevicesKey returns the key of the tenant's index of devices, ordered by id and
// hence by age.
func (t Tenant) DevicesKey() string { return t.key("devices") }

// DevicesByKey returns the key of the index of the tenant's devices that have a property,
// such as ("status", "active") or ("tag", "site=berlin").
func (t Tenant) DevicesByKey(property, value string) string {
	return t.key("devices", property, value)
}

// ExternalIDsKey returns the key of the hash that maps external ids, which the
// tenant chooses, to device ids.
func (t Tenant) ExternalIDsKey() string { return t.key("external") }

// SessionsKey returns the key of the tenant's index of support sessions, ordered
// by id and hence by age.
func (t Tenant) SessionsKey() string { return t.key("sessions") }

// UsageKey returns the key of the tenant's usage record: a hash with the totals that are
// counted for its quotas, and with its own limits.
func (t Tenant) UsageKey() string { return t.key("usage") }

// IdempotencyKeys returns a slice with the key of the stored reply to a request. The
// slice is empty for a request without the header Idempotency-Key.
func IdempotencyKeys(tenant, header string) []string {
	if header == "" {
		return nil
	}
	return []string{Tenant(tenant).key("idempotency", DigestOf(header))}
}

// DigestOf returns a digest of text, for use in a key. The text comes from a caller, so
// it may be long or contain any character.
func DigestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// CutOffsKey returns the key of the sorted set of the tenant's users and issuer's sessions that
// were cut off, by the time of the cut-off in Unix milliseconds. Its members are "user:<id>" and
// "user:<id> <session id>".
func (t Tenant) CutOffsKey() string { return t.key("cut-offs") }

// CutOffDetailsKey returns the key of the hash with the details of the tenant's cut-offs.
func (t Tenant) CutOffDetailsKey() string { return t.key("cut-offs", "details") }

// PolicyKey returns the key of the hash with the tenant's policy: its version, the record of this
// version, the number of the newest version, and the record of the change that waits for approval.
func (t Tenant) PolicyKey() string { return t.key("policy") }

// PolicyVersionsKey returns the key of the hash with the records of the tenant's policy, by version.
func (t Tenant) PolicyVersionsKey() string { return t.key("policy", "versions") }

// PasskeysKey returns the key of the hash with the passkeys of the tenant's users.
func (t Tenant) PasskeysKey() string { return t.key("passkeys") }

// ChallengeKey returns the key of the challenge for which a user may register a passkey.
func (t Tenant) ChallengeKey(userID string) string {
	return t.key("passkeys", "challenge", DigestOf(userID))
}

// RosterKey returns the key of the list of the versions of the tenant's roster, the oldest first.
func (t Tenant) RosterKey() string { return t.key("roster") }

// RateKey returns the key of the tenant's rate limit.
func (t Tenant) RateKey() string { return t.key("rate") }

// ConnectionsKey returns the key of the tenant's index of open sockets, ordered by
// connection id.
func (t Tenant) ConnectionsKey() string { return t.key("connections") }

// ConnectionKey returns the key of the record of an open socket. The record
// expires with the socket's lease.
func (t Tenant) ConnectionKey(id string) string { return t.key("connection", id) }

// SocketLeasesKey returns the key of the sorted set of the tenant's open sockets, by the end
// of their lease in Unix milliseconds. It counts towards the quota.
func (t Tenant) SocketLeasesKey() string { return t.key("connections", "leases") }

// TicketKey returns the key of the record of a single-use ticket for opening a socket.
// The hash is the ticket's hash in hexadecimal. The partition depends on the hash,
// because a client that presents a ticket names no tenant.
func TicketKey(hash string) string { return PartitionOf(hash).key("ticket", hash) }

// SessionKey returns the key of the record of a support session.
func SessionKey(id string) string {
	p, _ := PartitionOfID(KindSession, id)
	return p.key("session", id)
}

// Device identifies a device and builds its keys.
type Device struct {
	Tenant string
	ID     string
}

// key returns a key of the device.
func (d Device) key(parts ...string) string {
	return PartitionOf(d.Tenant).key(append([]string{"device", d.ID}, parts...)...)
}

// RecordKey returns the key of the record of the device.
func (d Device) RecordKey() string { return DeviceKey(d.ID) }

// DeviceKey returns the key of a device's record, for a caller that does not know the
// tenant. If NewID cannot have created the id, no record has this key. The same holds for
// the other functions that build a key from an id alone.
func DeviceKey(id string) string {
	p, _ := PartitionOfID(KindDevice, id)
	return p.key("device", id)
}

// CommandsKey returns the key of the hash of the device's commands. The fields "<id>:progress" and
// "<id>:output:<n>" are what the device has reported while it ran a command. The field
// "<id>" holds the state of a command, and "<id>:body" its proposal. "<id>:head" is the
// proposal without its parameters. It exists only if the parameters are large. "<id>:result" is the
// result, unless ResultKey has it.
func (d Device) CommandsKey() string { return d.key("commands") }

// StateFields is a pattern for HSCAN that matches the fields of Device.CommandsKey with the states of
// commands, which are the ids of these. It does not match the fields with their bodies, which may be
// large.
var StateFields = KindCommand + "_" + strings.Repeat("?", 28)

// IndexKey returns the key of the index of the device's commands, ordered by session
// and age. Its members are "<session>:<command>".
func (d Device) IndexKey() string { return d.key("index") }

// idPrefix is the length of what ids of one kind have in common within a tenant: the kind, an
// underscore and the partition.
const idPrefix = len(KindCommand) + len("_") + 2

// ListedMember returns the member of Tenant.CommandsKey that stands for a command of the device. It
// consists of both ids without their prefixes, which keeps it 24 bytes smaller.
func (d Device) ListedMember(commandID string) string {
	return commandID[min(idPrefix, len(commandID)):] + d.ID[min(idPrefix, len(d.ID)):]
}

// ParseListed returns the device and the id of the command that a member of Tenant.CommandsKey stands
// for. It returns false for a member that ListedMember cannot have returned.
func (t Tenant) ParseListed(member string) (d Device, commandID string, ok bool) {
	if len(member) != 2*ulid.EncodedSize {
		return Device{}, "", false
	}
	p := PartitionOf(string(t)).String()
	commandID = KindCommand + "_" + p + member[:ulid.EncodedSize]
	d = Device{Tenant: string(t), ID: KindDevice + "_" + p + member[ulid.EncodedSize:]}
	return d, commandID, IsID(KindCommand, commandID) && IsID(KindDevice, d.ID)
}

// ReadyKey returns the key of the ready set: the commands that may be claimed now,
// in the order in which the device claims them.
func (d Device) ReadyKey() string { return d.key("ready") }

// AliveKeys returns the keys of the three sorted sets of commands that have not ended:
// the ready set, the commands that await approval, and the commands under a lease.
func (d Device) AliveKeys() []string {
	return []string{d.ReadyKey(), d.key("pending"), d.key("leases")}
}

// SessionsKey returns the key of the device's index of support sessions.
func (d Device) SessionsKey() string { return d.key("sessions") }

// TimelineKey returns the key of the stream of events of the device and its sessions. The
// entries are kept for the retention period and serve audits.
func (d Device) TimelineKey() string { return d.key("timeline") }

// CancelsKey returns the key of the set of claimed commands whose cancellation was
// requested.
func (d Device) CancelsKey() string { return d.key("cancels") }

// LoginKey returns the key of the record of a device's login. The hash is the SHA-256 of
// the login token.
func LoginKey(deviceID, hash string) string {
	p, _ := PartitionOfID(KindDevice, deviceID)
	return p.key("login", hash)
}

// RateKey returns the key of the device's rate limit.
func (d Device) RateKey() string { return d.key("rate") }

// DeviceRateKey returns the same key as RateKey, for a caller that does not know the
// device's tenant.
func DeviceRateKey(id string) string {
	p, _ := PartitionOfID(KindDevice, id)
	return p.key("device", id, "rate")
}

// LoginsKey returns the key of the list of the device's logins. The list holds the hashes
// of the login tokens, the newest last.
func LoginsKey(deviceID string) string {
	p, _ := PartitionOfID(KindDevice, deviceID)
	return p.key("device", deviceID, "logins")
}

// RegistrationKey returns the key of the stored reply to a registration. The digest is
// that of the request's Idempotency-Key.
func (d Device) RegistrationKey(digest string) string { return d.key("registration", digest) }

// ResultKey returns the key of the result of a command in a store that an earlier release may read.
func ResultKey(commandID string) string {
	p, _ := PartitionOfID(KindCommand, commandID)
	return p.key("result", commandID)
}

// ClaimKey returns the key of the stored reply to a claim. The digest is that of the
// request's Idempotency-Key.
func (d Device) ClaimKey(digest string) string { return d.key("claim", digest) }

// Keys returns the key set of the device: every key that a transition of one of
// its commands may touch, in the order of lua/device.lua.
func (d Device) Keys() []string {
	t, p := Tenant(d.Tenant), PartitionOf(d.Tenant)
	return []string{
		d.RecordKey(), d.CommandsKey(), d.IndexKey(), d.ReadyKey(),
		d.key("pending"), d.key("leases"), d.CancelsKey(), d.TimelineKey(),
		t.StreamKey(), t.InboxKey(), p.DueKey(), p.QuarantineKey(), t.UsageKey(),
	}
}
