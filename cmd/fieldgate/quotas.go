package main

import (
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/quota"
)

// quotaSettings are the settings of the quotas of each tenant. The fields are those of
// quota.Amounts, so that one converts to the other.
type quotaSettings struct {
	Devices          int64 `env:"FIELDGATE_QUOTA_DEVICES" default:"${quota_devices}" help:"Devices of each tenant that are not decommissioned; 0 for no limit."`
	OpenSessions     int64 `env:"FIELDGATE_QUOTA_OPEN_SESSIONS" default:"${quota_open_sessions}" help:"Active sessions of each tenant; 0 for no limit."`
	ReadyCommands    int64 `env:"FIELDGATE_QUOTA_READY_COMMANDS" default:"${quota_ready_commands}" help:"Queued commands of each tenant; 0 for no limit."`
	PendingApprovals int64 `env:"FIELDGATE_QUOTA_PENDING_APPROVALS" default:"${quota_pending_approvals}" help:"Commands of each tenant that are pending approval; 0 for no limit."`
	StoredBytes      int64 `env:"FIELDGATE_QUOTA_STORED_BYTES" default:"${quota_stored_bytes}" help:"Bytes that the records of each tenant count; 0 for no limit."`
	Sockets          int64 `env:"FIELDGATE_QUOTA_SOCKETS" default:"${quota_sockets}" help:"Open sockets of each tenant, on all instances; 0 for no limit."`
	WaitingClaims    int64 `env:"FIELDGATE_QUOTA_WAITING_CLAIMS" default:"${quota_waiting_claims}" help:"Claims of each tenant that wait for a command, on each instance; 0 for no limit."`
}

// quotaDefaults returns the defaults of the settings of the quotas.
func quotaDefaults() kong.Vars {
	d := quota.Defaults()
	return kong.Vars{
		"quota_devices":           strconv.FormatInt(d.Devices, 10),
		"quota_open_sessions":     strconv.FormatInt(d.OpenSessions, 10),
		"quota_ready_commands":    strconv.FormatInt(d.ReadyCommands, 10),
		"quota_pending_approvals": strconv.FormatInt(d.PendingApprovals, 10),
		"quota_stored_bytes":      strconv.FormatInt(d.StoredBytes, 10),
		"quota_sockets":           strconv.FormatInt(d.Sockets, 10),
		"quota_waiting_claims":    strconv.FormatInt(d.WaitingClaims, 10),
	}
}
