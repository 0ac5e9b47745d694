package main

import (
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/quota"
)

// quotaSettings are the settings of the quotas of each tenant.
type quotaSettings struct {
	Devices          int `env:"FIELDGATE_QUOTA_DEVICES" default:"${quota_devices}" help:"Devices of each tenant that are not decommissioned; 0 for no limit."`
	OpenSessions     int `env:"FIELDGATE_QUOTA_OPEN_SESSIONS" default:"${quota_open_sessions}" help:"Active sessions of each tenant; 0 for no limit."`
	ReadyCommands    int `env:"FIELDGATE_QUOTA_READY_COMMANDS" default:"${quota_ready_commands}" help:"Queued commands of each tenant; 0 for no limit."`
	PendingApprovals int `env:"FIELDGATE_QUOTA_PENDING_APPROVALS" default:"${quota_pending_approvals}" help:"Commands of each tenant that are pending approval; 0 for no limit."`
	StoredBytes      int `env:"FIELDGATE_QUOTA_STORED_BYTES" default:"${quota_stored_bytes}" help:"Bytes that the records of each tenant count; 0 for no limit."`
	Sockets          int `env:"FIELDGATE_QUOTA_SOCKETS" default:"${quota_sockets}" help:"Open sockets of each tenant, on all instances; 0 for no limit."`
	WaitingClaims    int `env:"FIELDGATE_QUOTA_WAITING_CLAIMS" default:"${quota_waiting_claims}" help:"Claims of each tenant that wait for a command, on each instance; 0 for no limit."`
}

// amounts returns the quotas that the settings describe.
func (s quotaSettings) amounts() quota.Amounts {
	return quota.Amounts{
		Devices: int64(s.Devices), OpenSessions: int64(s.OpenSessions), ReadyCommands: int64(s.ReadyCommands),
		PendingApprovals: int64(s.PendingApprovals), StoredBytes: int64(s.StoredBytes),
		Sockets: int64(s.Sockets), WaitingClaims: int64(s.WaitingClaims),
	}
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
