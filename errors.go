package fieldgate

import (
	"errors"
	"fmt"
	"time"
)

// Code is the reason why a request is refused. Codes are a stable part of the API, and
// openapi.yaml documents them. Redis replies, logs and problem documents use the same codes.
type Code string

// These are the codes of the contract, sorted by HTTP status.
const (
	CodeValidationFailed      Code = "validation_failed"
	CodeUnauthorized          Code = "unauthorized"
	CodeUserCutOff            Code = "user_cut_off"
	CodeInvalidActivationCode Code = "invalid_activation_code"
	CodeInvalidCredentials    Code = "invalid_credentials"
	CodeInsufficientRole      Code = "insufficient_role"
	CodeNoTenant              Code = "no_tenant"
	CodeDeviceSuspended       Code = "device_suspended"
	CodeInvalidClaimToken     Code = "invalid_claim_token"
	CodeCommandDenied         Code = "command_denied"
	CodeSelfApproval          Code = "self_approval"
	CodeStepUpRequired        Code = "step_up_required"
	CodeClientNotAllowed      Code = "client_not_allowed"
	CodeOriginNotAllowed      Code = "origin_not_allowed"
	CodeNotFound              Code = "not_found"
	CodeDeviceNotFound        Code = "device_not_found"
	CodeSessionNotFound       Code = "session_not_found"
	CodeCommandNotFound       Code = "command_not_found"
	CodeReceiptNotFound       Code = "receipt_not_found"
	CodePasskeyNotFound       Code = "passkey_not_found"
	CodeVoteNotFound          Code = "vote_not_found"
	CodeConnectionNotFound    Code = "connection_not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeRequestTimeout        Code = "request_timeout"
	CodeExternalIDTaken       Code = "external_id_taken"
	CodeSessionActive         Code = "session_active"
	CodeDeviceNotActive       Code = "device_not_active"
	CodeDeviceDecommissioned  Code = "device_decommissioned"
	CodeSessionClosed         Code = "session_closed"
	CodeCommandFinished       Code = "command_finished"
	CodeCommandNotFinished    Code = "command_not_finished"
	CodeAlreadyDecided        Code = "already_decided"
	CodeAlreadyClaimed        Code = "already_claimed"
	CodeApprovalExpired       Code = "approval_expired"
	CodeDigestMismatch        Code = "digest_mismatch"
	CodeClaimSuperseded       Code = "claim_superseded"
	CodeClaimExpired          Code = "claim_expired"
	CodeIdempotencyKeyReused  Code = "idempotency_key_reused"
	CodePolicyConflict        Code = "policy_conflict"
	CodeBodyTooLarge          Code = "body_too_large"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeRateLimited           Code = "rate_limited"
	CodeDeviceQueueFull       Code = "device_queue_full"
	CodeQuotaExceeded         Code = "quota_exceeded"
	CodeInternal              Code = "internal"
	CodeStoreUnavailable      Code = "store_unavailable"
	CodeIssuerUnavailable     Code = "issuer_unavailable"
	CodeDraining              Code = "draining"
	CodeOverloaded            Code = "overloaded"
	CodeStoreFull             Code = "store_full"
)

// Error is a refusal whose code and detail may be sent to the caller. Any other error is a
// fault of the gateway. The gateway logs such an error, and the caller receives CodeInternal.
type Error struct {
	Code   Code
	Detail string // a sentence for a human reader, without secrets, addresses or values from the request

	RetryAfter time.Duration // time to wait before a retry; zero means that a retry does not help
	Command    *CommandState // current state of the command, so that the caller need not request it
	SessionID  string        // id of the active session; set only for the code session_active
	Approval   *Approval     // the recorded decision; set only for the code already_decided
	Assurance  string        // the required assurance level of the sign-in; set only for the code step_up_required
	Quota      string        // name of the exceeded quota; set only for the code quota_exceeded
	Fields     []FieldError  // the invalid parts of the request; set only for the code validation_failed

	Reason Reason // why a credential was refused, for the log only; empty for every other refusal
	Cause  error  // the underlying error, for the log only
}

// CommandState is the current state of a command.
type CommandState struct {
	ID      string
	Status  string
	Attempt int
}

// Approval is the decision of an approver on a command.
type Approval struct {
	Decision  string // "approved" or "rejected"
	DecidedBy string // the approver's user id
	Names     Names  // the approver's names
	DecidedAt time.Time
	Reason    string
}

// FieldError describes one part of a request that violates the contract.
type FieldError struct {
	Pointer string // a JSON pointer into the body, or the location of a parameter, such as "/query/limit", "/path/deviceId" or "/header/Idempotency-Key"
	Keyword string // the violated rule of the contract, such as "maxLength"
	Reason  string // a sentence that does not contain the value from the request
}

// Error returns the refusal as text for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse returns an Error with the given code and a sentence for the caller.
func Refuse(code Code, detail string) *Error {
	return &Error{Code: code, Detail: detail}
}

// ReasonOf returns the reason for which a credential was refused. It returns "" for any other
// error.
func ReasonOf(err error) Reason {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

// DetailOf returns the sentence of a refusal for the caller, and "" for any other error.
func DetailOf(err error) string {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Detail
	}
	return ""
}

// IsUnauthorized reports whether err refuses a credential because it is not valid, or because its
// user was cut off.
func IsUnauthorized(err error) bool { return CodeOf(err).IsUnauthorized() }

// IsUnauthorized reports whether the code refuses a credential: see the function of this name.
func (c Code) IsUnauthorized() bool { return c == CodeUnauthorized || c == CodeUserCutOff }

// IsFault reports whether the code is that of a fault of the gateway, or of what it depends on. Any other
// refuses a call for a reason that its caller has to mend.
func (c Code) IsFault() bool {
	switch c {
	case CodeInternal, CodeStoreUnavailable, CodeStoreFull, CodeIssuerUnavailable:
		return true
	}
	return false
}

// CodeOf returns the code of a refusal, and CodeInternal for any other error.
func CodeOf(err error) Code {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return CodeInternal
}
