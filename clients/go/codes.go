package fieldgate

// A ProblemCode is the reason for a refusal, for use by programs. A code is never renamed. New
// codes may be added: handle an unknown code by its HTTP status.
type ProblemCode = string

// The codes with which the gateway refuses requests, sorted by status. The section "Errors" of
// the contract describes each code and how to react to it.
const (
	CodeValidationFailed      ProblemCode = "validation_failed"
	CodeUnauthorized          ProblemCode = "unauthorized"
	CodeUserCutOff            ProblemCode = "user_cut_off"
	CodeInvalidActivationCode ProblemCode = "invalid_activation_code"
	CodeInvalidCredentials    ProblemCode = "invalid_credentials"
	CodeInsufficientRole      ProblemCode = "insufficient_role"
	CodeNoTenant              ProblemCode = "no_tenant"
	CodeDeviceSuspended       ProblemCode = "device_suspended"
	CodeInvalidClaimToken     ProblemCode = "invalid_claim_token"
	CodeCommandDenied         ProblemCode = "command_denied"
	CodeSelfApproval          ProblemCode = "self_approval"
	CodeStepUpRequired        ProblemCode = "step_up_required"
	CodeClientNotAllowed      ProblemCode = "client_not_allowed"
	CodeOriginNotAllowed      ProblemCode = "origin_not_allowed"
	CodeNotFound              ProblemCode = "not_found"
	CodeDeviceNotFound        ProblemCode = "device_not_found"
	CodeSessionNotFound       ProblemCode = "session_not_found"
	CodeCommandNotFound       ProblemCode = "command_not_found"
	CodeConnectionNotFound    ProblemCode = "connection_not_found"
	CodeMethodNotAllowed      ProblemCode = "method_not_allowed"
	CodeExternalIDTaken       ProblemCode = "external_id_taken"
	CodeSessionActive         ProblemCode = "session_active"
	CodeDeviceNotActive       ProblemCode = "device_not_active"
	CodeDeviceDecommissioned  ProblemCode = "device_decommissioned"
	CodeSessionClosed         ProblemCode = "session_closed"
	CodeCommandFinished       ProblemCode = "command_finished"
	CodeCommandNotFinished    ProblemCode = "command_not_finished"
	CodeAlreadyDecided        ProblemCode = "already_decided"
	CodeApprovalExpired       ProblemCode = "approval_expired"
	CodeDigestMismatch        ProblemCode = "digest_mismatch"
	CodeClaimSuperseded       ProblemCode = "claim_superseded"
	CodeClaimExpired          ProblemCode = "claim_expired"
	CodeIdempotencyKeyReused  ProblemCode = "idempotency_key_reused"
	CodeBodyTooLarge          ProblemCode = "body_too_large"
	CodeUnsupportedMediaType  ProblemCode = "unsupported_media_type"
	CodeRateLimited           ProblemCode = "rate_limited"
	CodeDeviceQueueFull       ProblemCode = "device_queue_full"
	CodeQuotaExceeded         ProblemCode = "quota_exceeded"
	CodeInternal              ProblemCode = "internal"
	CodeStoreUnavailable      ProblemCode = "store_unavailable"
	CodeIssuerUnavailable     ProblemCode = "issuer_unavailable"
	CodeDraining              ProblemCode = "draining"
	CodeOverloaded            ProblemCode = "overloaded"
	CodeStoreFull             ProblemCode = "store_full"
)
