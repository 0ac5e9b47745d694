package fieldgate

import (
	"context"
	"io"
)

// A CustomerClient makes the calls of a user or program of a tenant. It manages devices, opens
// support sessions, proposes commands, approves or rejects commands, and reads timelines. The
// role in the token limits which calls are allowed. A CustomerClient is safe for concurrent
// use.
//
// Some methods take a reason, which is recorded in the timeline. The reason may be empty.
type CustomerClient struct {
	requester requester
	dialing   requester // like requester, but with the credentials for sockets
}

// Provision adds a device to the fleet, and returns the activation code with which the device
// can register.
func (c *CustomerClient) Provision(ctx context.Context, device ProvisionDeviceRequest, options ...CallOption) (ProvisionedDevice, error) {
	return decode[ProvisionedDevice](c.requester.provisionDevice(ctx, device, options))
}

// Device returns a device with its last heartbeat, its metrics, its active session and the
// number of its waiting commands.
func (c *CustomerClient) Device(ctx context.Context, deviceID string) (Device, error) {
	return decode[Device](c.requester.getDevice(ctx, deviceID))
}

// Update changes the fields of a device that are not nil. If Tags is not nil, it replaces all
// tags.
func (c *CustomerClient) Update(ctx context.Context, deviceID string, change UpdateDeviceRequest) (Device, error) {
	return decode[Device](c.requester.updateDevice(ctx, deviceID, change))
}

// IssueActivationCode returns a new activation code for a device. The previous code becomes
// invalid.
func (c *CustomerClient) IssueActivationCode(ctx context.Context, deviceID string, options ...CallOption) (ActivationCode, error) {
	return decode[ActivationCode](c.requester.issueActivationCode(ctx, deviceID, options))
}

// Suspend immediately ends all logins of a device. New logins are refused until the device is
// resumed.
func (c *CustomerClient) Suspend(ctx context.Context, deviceID, reason string) (Device, error) {
	return decode[Device](c.requester.suspendDevice(ctx, deviceID, reasonRequest{Reason: reason}))
}

// Resume lets a suspended device log in again.
func (c *CustomerClient) Resume(ctx context.Context, deviceID, reason string) (Device, error) {
	return decode[Device](c.requester.resumeDevice(ctx, deviceID, reasonRequest{Reason: reason}))
}

// RevokeLogins ends all logins of a device. Its secret stays valid.
func (c *CustomerClient) RevokeLogins(ctx context.Context, deviceID, reason string) (Device, error) {
	return decode[Device](c.requester.revokeDeviceLogins(ctx, deviceID, reasonRequest{Reason: reason}))
}

// ResolveIdentity ends the identity conflict of a device: see [Device.IdentityConflict]. keep is the
// id of the instance that is right, or "newest". Commands that were held are then delivered.
func (c *CustomerClient) ResolveIdentity(ctx context.Context, deviceID, keep, reason string) (Device, error) {
	return decode[Device](c.requester.resolveDeviceIdentity(ctx, deviceID, resolveIdentityRequest{Keep: keep, Reason: reason}))
}

// Decommission takes a device out of service, which cannot be undone. The history of the device
// stays readable.
func (c *CustomerClient) Decommission(ctx context.Context, deviceID string) error {
	return check(c.requester.decommissionDevice(ctx, deviceID))
}

// OpenSession opens a support session on a device. If the device already has an active session,
// the error has [CodeSessionActive] and the SessionID of that session.
func (c *CustomerClient) OpenSession(ctx context.Context, session OpenSessionRequest, options ...CallOption) (Session, error) {
	return decode[Session](c.requester.openSession(ctx, session, options))
}

// Session returns a session with its newest commands, at most 50, in the order in which they were
// proposed. If CommandsTruncated is true, AllCommands continues at the NextCursor of the session with
// the earlier commands, the newest of them first.
func (c *CustomerClient) Session(ctx context.Context, sessionID string) (Session, error) {
	return decode[Session](c.requester.getSession(ctx, sessionID))
}

// CloseSession closes a session. Commands of the session expire, unless a device has claimed
// them.
func (c *CustomerClient) CloseSession(ctx context.Context, sessionID, reason string) (Session, error) {
	return decode[Session](c.requester.closeSession(ctx, sessionID, reasonRequest{Reason: reason}))
}

// Propose proposes a command. The policy decides whether the new command has the status
// [CommandStatusPendingApproval] or [CommandStatusQueued]. If the policy forbids the type, the
// error has [CodeCommandDenied].
func (c *CustomerClient) Propose(ctx context.Context, sessionID string, command ProposeCommandRequest, options ...CallOption) (Command, error) {
	return decode[Command](c.requester.proposeCommand(ctx, sessionID, command, options))
}

// Command returns a command with its attempts, its approval and its result.
func (c *CustomerClient) Command(ctx context.Context, sessionID, commandID string) (Command, error) {
	return decode[Command](c.requester.getCommand(ctx, sessionID, commandID))
}

// Output returns what the device has reported of a command while it ran it: how far the command is,
// and its output from the position Since on. Pass NextSince of the result to read what follows.
func (c *CustomerClient) Output(ctx context.Context, sessionID, commandID string, params GetCommandOutputParams) (CommandOutput, error) {
	return decode[CommandOutput](c.requester.getCommandOutput(ctx, sessionID, commandID, params))
}

// Receipt returns the receipt of a command, a JWS in compact form. [ReceiptKeys.ParseReceipt] verifies it.
func (c *CustomerClient) Receipt(ctx context.Context, sessionID, commandID string) (string, error) {
	resp, err := c.requester.getReceipt(ctx, sessionID, commandID)
	if err := check(resp, err); err != nil {
		return "", err
	}
	if mediaType(resp) != joseType {
		return "", mediaTypeError(resp)
	}
	receipt, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", responseError(resp, "reading the receipt", err)
	}
	return string(receipt), nil
}

// Cancel cancels a command that no device has claimed. If a device has claimed the command,
// Cancel only sets CancelRequested. The device then decides whether it can still stop.
func (c *CustomerClient) Cancel(ctx context.Context, sessionID, commandID, reason string) (Command, error) {
	return decode[Command](c.requester.cancelCommand(ctx, sessionID, commandID, reasonRequest{Reason: reason}))
}

// Retry proposes a finished command again, as a new command. The policy is applied again.
func (c *CustomerClient) Retry(ctx context.Context, sessionID, commandID, reason string, options ...CallOption) (Command, error) {
	return decode[Command](c.requester.retryCommand(ctx, sessionID, commandID, reasonRequest{Reason: reason}, options))
}

// Decide approves or rejects a command. If its rule requires several approvals, all but the last one leave it
// pending: see Required and Votes of its Approval. Send the Digest of the command that was reviewed, so
// that the decision cannot apply to a changed command. If the command was already decided, the
// error has [CodeAlreadyDecided] and the existing Approval.
func (c *CustomerClient) Decide(ctx context.Context, sessionID string, decision DecisionRequest) (Command, error) {
	decided, err := decode[decidedCommand](c.requester.decideCommand(ctx, sessionID, decision))
	return decided.Command, err
}

// WithdrawVote takes back the caller's own approval of a command that no device has claimed. If the device has
// claimed it, the error has [CodeAlreadyClaimed]. Without a vote, nothing changes.
func (c *CustomerClient) WithdrawVote(ctx context.Context, sessionID, commandID, reason string) (Command, error) {
	decided, err := decode[decidedCommand](c.requester.withdrawVote(ctx, sessionID, commandID, reasonRequest{Reason: reason}))
	return decided.Command, err
}

// BreakGlass approves a command without the other users whom its rule requires, where the rule allows it.
// Another user has to review it afterwards: see [CustomerClient.ReviewBreakGlass].
func (c *CustomerClient) BreakGlass(ctx context.Context, sessionID, commandID string, request BreakGlassRequest) (Command, error) {
	decided, err := decode[decidedCommand](c.requester.breakGlass(ctx, sessionID, commandID, request))
	return decided.Command, err
}

// ReviewBreakGlass closes the review of a command that an admin has approved alone. The comment says what
// the reviewer has found. Approvals with [ApprovalStatusReview] lists the commands without a review.
func (c *CustomerClient) ReviewBreakGlass(ctx context.Context, sessionID, commandID, comment string) (Command, error) {
	decided, err := decode[decidedCommand](c.requester.reviewBreakGlass(ctx, sessionID, commandID, breakGlassReviewRequest{Comment: comment}))
	return decided.Command, err
}

// CloseConnection closes an open socket, on any instance of the gateway. The device or user may
// open another socket. To keep a device out, suspend it.
func (c *CustomerClient) CloseConnection(ctx context.Context, connectionID string) error {
	return check(c.requester.closeConnection(ctx, connectionID))
}

// CutOff refuses the tokens of a user that were issued before now, or only those of one session of
// the user at the token issuer, and closes the user's sockets. First end the access at the issuer,
// where the user would otherwise get a new token.
func (c *CustomerClient) CutOff(ctx context.Context, userID string, request CutOffRequest) error {
	return check(c.requester.cutOff(ctx, userID, request))
}

// IssueTicket returns a ticket with which a web page can open one socket within 30 seconds. A
// page needs a ticket because a browser cannot send a token with the handshake. origin is the
// origin of the page, or empty for a program other than a browser. The sockets of this package
// need no ticket.
func (c *CustomerClient) IssueTicket(ctx context.Context, origin string) (Ticket, error) {
	return decode[Ticket](c.requester.issueTicket(ctx, issueTicketRequest{Origin: origin}))
}

// Me returns the user of the client's token, as the gateway sees the user: the tenant, the role
// and the assurance level of the sign-in.
func (c *CustomerClient) Me(ctx context.Context) (Me, error) {
	return decode[Me](c.requester.getMe(ctx))
}

// Usage returns the quotas of the tenant and what it uses of them. A limit of zero is no limit.
// A refusal with [CodeQuotaExceeded] has the name of the quota in Quota.
func (c *CustomerClient) Usage(ctx context.Context) (Usage, error) {
	return decode[Usage](c.requester.getUsage(ctx))
}

// SystemInfo returns the version of the gateway instance that responds, the services that it
// depends on, and the number of its open sockets.
func (c *CustomerClient) SystemInfo(ctx context.Context) (SystemInfo, error) {
	return decode[SystemInfo](c.requester.getSystemInfo(ctx))
}
