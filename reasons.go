package fieldgate

// Reason is the reason for which a credential was refused, as a word for the log. The
// caller never receives it: a reason would help an attacker. The set of reasons is fixed,
// and a reason contains nothing that the caller sent.
type Reason string

// The reasons for which a credential is refused unread.
const (
	ReasonTooManyFailures Reason = "too_many_failures" // the network has sent too many refused credentials; the code is rate_limited
	ReasonRefusedBefore   Reason = "refused_before"    // this instance has refused the same credential within a minute
)

// The reasons of requests without a usable credential.
const (
	ReasonNoToken   Reason = "no_token"   // the request has no Authorization header
	ReasonBadHeader Reason = "bad_header" // the Authorization header is repeated, or has no bearer token
	ReasonMalformed Reason = "malformed"  // the credential does not have the form of its kind
)

// The reasons for which an access token of a user is refused.
const (
	ReasonTooLong        Reason = "too_long"          // it exceeds the maximum length
	ReasonHeaderRefused  Reason = "header_refused"    // its header has a parameter or a type that is not accepted
	ReasonAlgorithm      Reason = "algorithm"         // its algorithm is not accepted
	ReasonUnknownKey     Reason = "unknown_key"       // the issuer publishes no such key for the algorithm
	ReasonBadSignature   Reason = "bad_signature"     // the signature is not that of the key
	ReasonBadClaims      Reason = "bad_claims"        // the claims are not a JSON object of the expected types
	ReasonMissingClaim   Reason = "missing_claim"     // exp, iat, sub, iss or aud is missing
	ReasonExpired        Reason = "expired"           // the token, the login or the activation code has expired
	ReasonNotYetValid    Reason = "not_yet_valid"     // iat or nbf is in the future
	ReasonLifetime       Reason = "lifetime_too_long" // the time from iat to exp exceeds the maximum
	ReasonWrongIssuer    Reason = "wrong_issuer"      // iss is not the required one
	ReasonWrongAudience  Reason = "wrong_audience"    // aud does not contain the required one
	ReasonInvalidSubject Reason = "invalid_subject"   // sub is not a valid user id
	ReasonInvalidSession Reason = "invalid_session"   // session_id is not a valid id
	ReasonInvalidTenant  Reason = "invalid_tenant"    // the tenant claim is not a valid tenant id
	ReasonNotSignedIn    Reason = "not_signed_in"     // the token is that of no signed-in user
	ReasonCutOff         Reason = "cut_off"           // the user or the session was cut off after it was issued
	ReasonOtherUser      Reason = "other_user"        // the token is that of another user than the one of the socket
)

// The reasons for which a ticket, a login token, a secret or an activation code is refused.
const (
	ReasonUnknown        Reason = "unknown"         // the store has no such credential: it was never issued, or was used or deleted
	ReasonWrongOrigin    Reason = "wrong_origin"    // the ticket was issued for another origin
	ReasonUnreadable     Reason = "unreadable"      // the record of the ticket cannot be read
	ReasonRevoked        Reason = "revoked"         // the logins of the device were ended
	ReasonDeviceInactive Reason = "device_inactive" // the device is suspended or decommissioned
	ReasonUnknownDevice  Reason = "unknown_device"  // there is no such device, or it has never registered
	ReasonWrongSecret    Reason = "wrong_secret"    // the secret is not that of the device
	ReasonWrongDevice    Reason = "wrong_device"    // the activation code is that of another device
	ReasonReplaced       Reason = "replaced"        // a newer activation code was issued, or the device was decommissioned
	ReasonUsed           Reason = "used"            // the activation code was used
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonTooManyFailures, ReasonRefusedBefore,
		ReasonNoToken, ReasonBadHeader, ReasonMalformed,
		ReasonTooLong, ReasonHeaderRefused, ReasonAlgorithm, ReasonUnknownKey, ReasonBadSignature,
		ReasonBadClaims, ReasonMissingClaim, ReasonExpired, ReasonNotYetValid, ReasonLifetime, ReasonWrongIssuer,
		ReasonWrongAudience, ReasonInvalidSubject, ReasonInvalidSession, ReasonInvalidTenant,
		ReasonNotSignedIn, ReasonCutOff, ReasonOtherUser,
		ReasonUnknown, ReasonWrongOrigin, ReasonUnreadable, ReasonRevoked, ReasonDeviceInactive,
		ReasonUnknownDevice, ReasonWrongSecret, ReasonWrongDevice, ReasonReplaced, ReasonUsed,
	}
}
