// Generated from openapi.yaml and asyncapi.yaml by `npm run generate`. Do not edit.

/** The codes with which the gateway refuses a request. */
export type ProblemCode =
  | "validation_failed"
  | "unauthorized"
  | "user_cut_off"
  | "invalid_activation_code"
  | "invalid_credentials"
  | "insufficient_role"
  | "no_tenant"
  | "device_suspended"
  | "invalid_claim_token"
  | "command_denied"
  | "self_approval"
  | "step_up_required"
  | "client_not_allowed"
  | "origin_not_allowed"
  | "not_found"
  | "device_not_found"
  | "session_not_found"
  | "command_not_found"
  | "receipt_not_found"
  | "passkey_not_found"
  | "vote_not_found"
  | "connection_not_found"
  | "method_not_allowed"
  | "request_timeout"
  | "external_id_taken"
  | "session_active"
  | "device_not_active"
  | "device_decommissioned"
  | "session_closed"
  | "command_finished"
  | "command_not_finished"
  | "already_claimed"
  | "already_decided"
  | "approval_expired"
  | "digest_mismatch"
  | "claim_superseded"
  | "claim_expired"
  | "idempotency_key_reused"
  | "policy_conflict"
  | "body_too_large"
  | "unsupported_media_type"
  | "rate_limited"
  | "device_queue_full"
  | "quota_exceeded"
  | "internal"
  | "store_unavailable"
  | "issuer_unavailable"
  | "draining"
  | "store_full"
  | "overloaded";

/** What happens in a room. */
export type EventType =
  | "device.registered"
  | "device.updated"
  | "device.presence"
  | "device.suspended"
  | "device.resumed"
  | "device.logins_revoked"
  | "device.identity_conflict"
  | "device.identity_resolved"
  | "device.decommissioned"
  | "session.opened"
  | "session.closed"
  | "session.expired"
  | "command.proposed"
  | "command.approved"
  | "command.rejected"
  | "command.claimed"
  | "command.requeued"
  | "command.released"
  | "command.succeeded"
  | "command.failed"
  | "command.timed_out"
  | "command.cancel_requested"
  | "command.cancelled"
  | "command.expired"
  | "command.progress"
  | "command.result_conflict"
  | "command.vote"
  | "command.vote_withdrawn"
  | "command.break_glass"
  | "command.break_glass_reviewed"
  | "user.cut_off"
  | "policy.changed"
  | "roster.changed"
  | "passkey.registered"
  | "passkey.deleted";

/** The operations that take an `Idempotency-Key`. */
export type KeyedOperation =
  | "POST /api/v1/device/register"
  | "POST /api/v1/device/commands/claim"
  | "POST /api/v1/customer/devices"
  | "POST /api/v1/customer/devices/{deviceId}/activation-code"
  | "POST /api/v1/customer/sessions"
  | "POST /api/v1/customer/sessions/{sessionId}/commands"
  | "POST /api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry";

export const keyedOperations: readonly KeyedOperation[] = [
  "POST /api/v1/device/register",
  "POST /api/v1/device/commands/claim",
  "POST /api/v1/customer/devices",
  "POST /api/v1/customer/devices/{deviceId}/activation-code",
  "POST /api/v1/customer/sessions",
  "POST /api/v1/customer/sessions/{sessionId}/commands",
  "POST /api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry",
];
