package fieldgate

import (
	"errors"
	"fmt"
	"time"
)

// Code names a reason for refusing a request. Codes are part of the API: they
// are stable, documented in openapi.yaml, and the same in Redis replies, logs
// and problem documents.
type Code string

// The codes of the contract, in the order of their HTTP status.
const (
	CodeValidationFailed      Code = "validation_failed"
	CodeUnauthorized          Code = "unauthorized"
	CodeInvalidActivationCode Code = "invalid_activation_code"
	CodeInvalidCredentials    Code = "invalid_credentials"
	CodeInsufficientRole      Code = "insufficient_role"
	CodeDeviceSuspended       Code = "device_suspended"
	CodeInvalidClaimToken     Code = "invalid_claim_token"
	CodeCommandDenied         Code = "command_denied"
	CodeSelfApproval          Code = "self_approval"
	CodeOriginNotAllowed      Code = "origin_not_allowed"
	CodeNotFound              Code = "not_found"
	CodeDeviceNotFound        Code = "device_not_found"
	CodeSessionNotFound       Code = "session_not_found"
	CodeCommandNotFound       Code = "command_not_found"
	CodeConnectionNotFound    Code = "connection_not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeExternalIDTaken       Code = "external_id_taken"
	CodeSessionActive         Code = "session_active"
	CodeDeviceNotActive       Code = "device_not_active"
	CodeDeviceDecommissioned  Code = "device_decommissioned"
	CodeSessionClosed         Code = "session_closed"
	CodeCommandFinished       Code = "command_finished"
	CodeCommandNotFinished    Code = "command_not_finished"
	CodeAlreadyDecided        Code = "already_decided"
	CodeApprovalExpired       Code = "approval_expired"
	CodeDigestMismatch        Code = "digest_mismatch"
	CodeClaimSuperseded       Code = "claim_superseded"
	CodeClaimExpired          Code = "claim_expired"
	CodeIdempotencyKeyReused  Code = "idempotency_key_reused"
	CodeBodyTooLarge          Code = "body_too_large"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeRateLimited           Code = "rate_limited"
	CodeDeviceQueueFull       Code = "device_queue_full"
	CodeInternal              Code = "internal"
	CodeStoreUnavailable      Code = "store_unavailable"
	CodeIssuerUnavailable     Code = "issuer_unavailable"
	CodeDraining              Code = "draining"
)

// Error is a refusal that its caller may be told about. Any other error is our
// own fault and reaches nobody but the log.
type Error struct {
	Code   Code
	Detail string // one sentence for a person; never a secret, an address or the caller's own value

	RetryAfter time.Duration // how long to wait before trying again; zero where waiting does not help
	Command    *CommandState // the command as it stands, where that saves a second request
	SessionID  string        // the session that stands in the way (session_active)
	Approval   *Approval     // the decision that stands (already_decided)
	Fields     []FieldError  // what is wrong with the request (validation_failed)

	Cause error // for the log only
}

// CommandState tells where a command stands.
type CommandState struct {
	ID      string
	Status  string
	Attempt int
}

// Approval is a decision that a person made.
type Approval struct {
	Decision  string // "approved" or "rejected"
	DecidedBy string // the user's id
	DecidedAt time.Time
	Reason    string
}

// FieldError points at one part of a request that the contract refuses.
type FieldError struct {
	Pointer string // JSON pointer into the body, or "/query/limit", "/path/deviceId", "/header/Idempotency-Key"
	Keyword string // the rule of the contract that failed, such as "maxLength"
	Reason  string // a sentence without the caller's value
}

// Error describes the refusal for a log line.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Unwrap gives the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse makes an Error with a code and a sentence for the caller.
func Refuse(code Code, detail string) *Error {
	return &Error{Code: code, Detail: detail}
}

// CodeOf tells the code of an error, and CodeInternal for one that has none.
func CodeOf(err error) Code {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return CodeInternal
}
