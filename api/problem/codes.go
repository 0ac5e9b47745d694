package problem

import (
	"maps"
	"net/http"
	"slices"

	"github.com/fieldgate/fieldgate"
)

// kind holds the status and title that all problems with the same code share.
type kind struct {
	status int
	title  string
}

// kinds has an entry for each code. The titles are those of openapi.yaml.
var kinds = map[fieldgate.Code]kind{
	fieldgate.CodeValidationFailed: {http.StatusBadRequest, "The request is not valid"},

	fieldgate.CodeUnauthorized:          {http.StatusUnauthorized, "Authentication is required"},
	fieldgate.CodeUserCutOff:            {http.StatusUnauthorized, "The user was cut off"},
	fieldgate.CodeInvalidActivationCode: {http.StatusUnauthorized, "The activation code is not valid"},
	fieldgate.CodeInvalidCredentials:    {http.StatusUnauthorized, "The credentials are not valid"},

	fieldgate.CodeInsufficientRole:  {http.StatusForbidden, "The role is not sufficient"},
	fieldgate.CodeNoTenant:          {http.StatusForbidden, "The user has no tenant"},
	fieldgate.CodeDeviceSuspended:   {http.StatusForbidden, "The device is suspended"},
	fieldgate.CodeInvalidClaimToken: {http.StatusForbidden, "The claim token is not valid"},
	fieldgate.CodeCommandDenied:     {http.StatusForbidden, "The policy denies this command"},
	fieldgate.CodeSelfApproval:      {http.StatusForbidden, "The proposer may not approve"},
	fieldgate.CodeStepUpRequired:    {http.StatusForbidden, "A stronger sign-in is required"},
	fieldgate.CodeClientNotAllowed:  {http.StatusForbidden, "The application may not approve"},
	fieldgate.CodeOriginNotAllowed:  {http.StatusForbidden, "The origin is not allowed"},

	fieldgate.CodeNotFound:           {http.StatusNotFound, "There is no such path"},
	fieldgate.CodeDeviceNotFound:     {http.StatusNotFound, "There is no such device"},
	fieldgate.CodeSessionNotFound:    {http.StatusNotFound, "There is no such session"},
	fieldgate.CodeCommandNotFound:    {http.StatusNotFound, "There is no such command"},
	fieldgate.CodeReceiptNotFound:    {http.StatusNotFound, "The command has no receipt"},
	fieldgate.CodePasskeyNotFound:    {http.StatusNotFound, "There is no such passkey"},
	fieldgate.CodeVoteNotFound:       {http.StatusNotFound, "There is no such approval"},
	fieldgate.CodeConnectionNotFound: {http.StatusNotFound, "There is no such connection"},

	fieldgate.CodeMethodNotAllowed: {http.StatusMethodNotAllowed, "The path does not have this method"},

	fieldgate.CodeRequestTimeout: {http.StatusRequestTimeout, "The body arrived too slowly"},

	fieldgate.CodeExternalIDTaken:      {http.StatusConflict, "The external id is taken"},
	fieldgate.CodeSessionActive:        {http.StatusConflict, "The device has an active session"},
	fieldgate.CodeDeviceNotActive:      {http.StatusConflict, "The device is not active"},
	fieldgate.CodeDeviceDecommissioned: {http.StatusConflict, "The device is decommissioned"},
	fieldgate.CodeSessionClosed:        {http.StatusConflict, "The session is closed"},
	fieldgate.CodeCommandFinished:      {http.StatusConflict, "The command has ended"},
	fieldgate.CodeCommandNotFinished:   {http.StatusConflict, "The command has not ended"},
	fieldgate.CodeAlreadyClaimed:       {http.StatusConflict, "The command was already claimed"},
	fieldgate.CodeAlreadyDecided:       {http.StatusConflict, "The command was already decided"},
	fieldgate.CodeApprovalExpired:      {http.StatusConflict, "The time to decide has passed"},
	fieldgate.CodeDigestMismatch:       {http.StatusConflict, "The digest does not match"},
	fieldgate.CodeClaimSuperseded:      {http.StatusConflict, "A newer claim exists"},
	fieldgate.CodeClaimExpired:         {http.StatusConflict, "The lease has expired"},
	fieldgate.CodeIdempotencyKeyReused: {http.StatusConflict, "The idempotency key was used before"},
	fieldgate.CodePolicyConflict:       {http.StatusConflict, "The policy has changed"},

	fieldgate.CodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large"},
	fieldgate.CodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "The media type is not supported"},

	fieldgate.CodeRateLimited:     {http.StatusTooManyRequests, "Too many requests"},
	fieldgate.CodeDeviceQueueFull: {http.StatusTooManyRequests, "The queue of the device is full"},
	fieldgate.CodeQuotaExceeded:   {http.StatusTooManyRequests, "A quota of the tenant is exceeded"},

	fieldgate.CodeInternal: {http.StatusInternalServerError, "Internal error"},

	fieldgate.CodeStoreUnavailable:  {http.StatusServiceUnavailable, "The store is unavailable"},
	fieldgate.CodeIssuerUnavailable: {http.StatusServiceUnavailable, "The token issuer is unavailable"},
	fieldgate.CodeDraining:          {http.StatusServiceUnavailable, "This instance is shutting down"},
	fieldgate.CodeStoreFull:         {http.StatusServiceUnavailable, "The store is full"},
	fieldgate.CodeOverloaded:        {http.StatusServiceUnavailable, "This instance is overloaded"},
}

// Codes returns all codes of the contract in alphabetical order.
func Codes() []fieldgate.Code { return slices.Sorted(maps.Keys(kinds)) }

// Known reports whether the contract has the code.
func Known(code fieldgate.Code) bool {
	_, known := kinds[code]
	return known
}

// Status returns the HTTP status of a code, or 500 if the contract does not have it.
func Status(code fieldgate.Code) int { return kindOf(code).status }

func kindOf(code fieldgate.Code) kind {
	if k, known := kinds[code]; known {
		return k
	}
	return kinds[fieldgate.CodeInternal]
}
