// Package refusal holds the table of all refusals that the scripts of the store return. A
// script returns a code. The table holds the text for the caller.
//
// A test of the root package collects the codes of every script. It fails if a code is not
// in the table. It also fails if openapi.yaml does not declare the code for an operation
// that runs the script.
package refusal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// kind is a row of the table of refusals.
type kind struct {
	detail string

	// complete sets fields of the error from the values that follow the code in the reply. It
	// is nil if the script returns no values with this code.
	complete func(refused *fieldgate.Error, reply store.Reply)
}

// value is the index of the first value in a reply. The code and the events come before it.
const value = 2

// queueFullRetry is the RetryAfter of the refusal device_queue_full.
const queueFullRetry = 10 * time.Second

var kinds = map[fieldgate.Code]kind{
	fieldgate.CodeUnauthorized:          {"A valid, current token is required. Log in again.", addReason},
	fieldgate.CodeUserCutOff:            {"Your access was ended by an administrator. Sign in again if you may return.", addReason},
	fieldgate.CodeInvalidActivationCode: {"The activation code is not valid. Ask an administrator for a new one.", addReason},
	fieldgate.CodeInvalidCredentials:    {"The device id or the secret is wrong.", addReason},

	fieldgate.CodeDeviceSuspended:   {detail: "The device is suspended. An administrator has to resume it."},
	fieldgate.CodeInvalidClaimToken: {detail: "This claim token was never issued for the command."},
	fieldgate.CodeSelfApproval:      {detail: "The proposer of a command may not approve it. Ask another approver."},

	fieldgate.CodeCommandDenied: {
		detail: "An admin has approved this command alone before, and may not do it again: ask the approvers, or propose it again.",
	},

	fieldgate.CodeDeviceNotFound:     {detail: "There is no such device."},
	fieldgate.CodeSessionNotFound:    {detail: "There is no such session."},
	fieldgate.CodeCommandNotFound:    {detail: "There is no such command."},
	fieldgate.CodeConnectionNotFound: {detail: "There is no such connection."},
	fieldgate.CodePasskeyNotFound:    {detail: "You have no such passkey."},
	fieldgate.CodeVoteNotFound:       {detail: "You have no approval of this command that you could withdraw. Read it to see whose it has."},

	fieldgate.CodeExternalIDTaken:      {detail: "Another device of this tenant has this externalId. Choose another one."},
	fieldgate.CodeSessionActive:        {"The device already has an active session. Use it or close it first.", addSession},
	fieldgate.CodeDeviceNotActive:      {detail: "The device is not active: it has not registered, or it was suspended or decommissioned."},
	fieldgate.CodeDeviceDecommissioned: {detail: "The device was decommissioned, which is final."},
	fieldgate.CodeSessionClosed:        {detail: "The session has ended, and its commands with it. Open a new session."},
	fieldgate.CodeCommandFinished:      {detail: "The command has ended already. Read it to see how."},
	fieldgate.CodeAlreadyDecided:       {detail: "The command is not pending approval any more. Read it to see what was decided."},
	fieldgate.CodeAlreadyClaimed:       {detail: "The device has claimed the command already. Cancel it to ask the device to stop."},
	fieldgate.CodeApprovalExpired:      {detail: "The time to decide on this command has passed. Propose it again."},
	fieldgate.CodeClaimSuperseded:      {detail: "This claim has ended: the command was released or claimed again. Stop working on it."},
	fieldgate.CodeClaimExpired:         {detail: "The lease of this claim has expired. Submit the result all the same, or claim again."},
	fieldgate.CodeIdempotencyKeyReused: {detail: "This Idempotency-Key was used for another request. Use a new key."},

	fieldgate.CodePolicyConflict: {detail: "The policy has changed since you have read it. Read it again and repeat your change."},

	fieldgate.CodeRateLimited: {"Too many requests were sent. Wait before sending the next one.", addRetryAfter},
	fieldgate.CodeDeviceQueueFull: {
		"The device has as many commands waiting as it may have. Wait until some have ended.", addQueueRetry,
	},
	fieldgate.CodeQuotaExceeded: {
		"The tenant has reached a quota. End or remove something first, or ask the operator for more.", addQuota,
	},
}

// addReason adds why a credential was refused. A test compares the reasons of the scripts with
// those of package fieldgate.
func addReason(refused *fieldgate.Error, reply store.Reply) {
	refused.Reason = fieldgate.Reason(reply.String(value))
}

func addSession(refused *fieldgate.Error, reply store.Reply) {
	refused.SessionID = reply.String(value)
}

func addRetryAfter(refused *fieldgate.Error, reply store.Reply) {
	refused.RetryAfter = time.Duration(reply.Int(value)) * time.Millisecond
}

func addQueueRetry(refused *fieldgate.Error, _ store.Reply) {
	refused.RetryAfter = queueFullRetry
}

// quotaRetry is the RetryAfter of the refusal for an exceeded quota.
const quotaRetry = 30 * time.Second

func addQuota(refused *fieldgate.Error, reply store.Reply) {
	refused.Quota, refused.RetryAfter = reply.String(value), quotaRetry
	refused.Detail = fmt.Sprintf("The tenant has reached its quota %s of %s. End or remove something first, or ask the operator for more.",
		reply.String(value), reply.String(value+1))
}

// Quota returns the refusal for an exceeded quota that is not counted in the store.
func Quota(name string, limit int64) *fieldgate.Error {
	refused := New(fieldgate.CodeQuotaExceeded)
	addQuota(refused, store.Reply{string(refused.Code), "", name, limit})
	return refused
}

// Marker is a code by which a script signals something to the package that runs the script. A
// marker is not a refusal, and no caller of the API receives it. Compare a Marker with
// errors.Is.
type Marker string

// These are the markers of all scripts.
const (
	// Stale means that the data has changed since the package read it. The package reads the
	// data again and runs the script again.
	Stale Marker = "stale"

	// Kicked means that an administrator has closed the socket whose lease was to be renewed.
	Kicked Marker = "kicked"

	// Superseded means that the device has opened a newer socket than the one whose lease was
	// to be renewed.
	Superseded Marker = "superseded"
)

// staleTries is the maximum number of calls that RetryStale makes.
const staleTries = 4

// RetryStale calls try until it returns an error other than Stale, or none, and returns its last outcome. After
// several calls that were Stale, because others change the same data at the same time, it returns rate_limited,
// with Stale as the cause.
func RetryStale[T any](try func() (T, error)) (T, error) {
	var err error
	for range staleTries {
		var outcome T
		if outcome, err = try(); !errors.Is(err, Stale) {
			return outcome, err
		}
	}
	var none T
	return none, &fieldgate.Error{
		Code: fieldgate.CodeRateLimited, Detail: "Others change the same data at the same time. Try again.",
		RetryAfter: time.Second, Cause: err,
	}
}

// Error returns a string for the log, in case a marker is logged by mistake.
func (m Marker) Error() string { return fmt.Sprintf("the script returned the marker %q", string(m)) }

var markers = []Marker{Stale, Kicked, Superseded}

// Of returns nil if the script made its transition, a new *fieldgate.Error if it refused, and a
// Marker if it returned one. A code that is not in the table is a bug. For such a code Of
// returns an error of another type, and no caller of the API receives its text.
func Of(reply store.Reply) error {
	code := reply.Code()
	if reply.OK() {
		return nil
	}
	if marker := Marker(code); slices.Contains(markers, marker) {
		return marker
	}
	k, known := kinds[code]
	if !known {
		return fmt.Errorf("the script returned the code %q, which the table of refusals does not have", code)
	}
	refused := fieldgate.Refuse(code, k.detail)
	if k.complete != nil {
		k.complete(refused, reply)
	}
	return refused
}

// New returns the refusal that a script would return for a code. Go code uses it to refuse a
// request without running a script.
func New(code fieldgate.Code) *fieldgate.Error {
	return fieldgate.Refuse(code, kinds[code].detail)
}

// Codes returns the codes of the table, in alphabetical order.
func Codes() []fieldgate.Code { return slices.Sorted(maps.Keys(kinds)) }

// Markers returns all markers.
func Markers() []Marker { return slices.Clone(markers) }
