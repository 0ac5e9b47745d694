package fieldgate

import "context"

// A CustomerClient does what people and their programs do: run the fleet, open support
// sessions, propose commands, decide over them, and read what happened. What it may do
// depends on the role in its token. It is safe for concurrent use.
//
// Where a method takes a reason, that is for those who read the timeline later and may
// be empty.
type CustomerClient struct {
	api        *Client
	handshakes connection // with the credentials of sockets
}

// Provision adds a device to the fleet and gives the activation code with which it
// registers itself.
func (c *CustomerClient) Provision(ctx context.Context, device ProvisionDeviceRequest, options ...CallOption) (ProvisionedDevice, error) {
	return result[ProvisionedDevice](c.api.ProvisionDevice(ctx, nil, device, options...))
}

// Device reads a device with its last heartbeat, its metrics, its open session and the
// number of commands that wait for it.
func (c *CustomerClient) Device(ctx context.Context, deviceID string) (Device, error) {
	return result[Device](c.api.GetDevice(ctx, deviceID))
}

// Update changes the fields that are not nil. Tags replace all tags.
func (c *CustomerClient) Update(ctx context.Context, deviceID string, change UpdateDeviceRequest) (Device, error) {
	return result[Device](c.api.UpdateDevice(ctx, deviceID, change))
}

// IssueActivationCode gives a new activation code for a device; the one before is dead.
func (c *CustomerClient) IssueActivationCode(ctx context.Context, deviceID string, options ...CallOption) (ActivationCode, error) {
	return result[ActivationCode](c.api.IssueActivationCode(ctx, deviceID, nil, options...))
}

// Suspend shuts a device out until it is resumed. Its logins end at once.
func (c *CustomerClient) Suspend(ctx context.Context, deviceID, reason string) (Device, error) {
	return result[Device](c.api.SuspendDevice(ctx, deviceID, ReasonRequest{Reason: reason}))
}

// Resume lets a suspended device log in again.
func (c *CustomerClient) Resume(ctx context.Context, deviceID, reason string) (Device, error) {
	return result[Device](c.api.ResumeDevice(ctx, deviceID, ReasonRequest{Reason: reason}))
}

// RevokeLogins ends all logins of a device. Its secret stays good.
func (c *CustomerClient) RevokeLogins(ctx context.Context, deviceID, reason string) (Device, error) {
	return result[Device](c.api.RevokeDeviceLogins(ctx, deviceID, ReasonRequest{Reason: reason}))
}

// Decommission takes a device out of service for good. Its history stays readable.
func (c *CustomerClient) Decommission(ctx context.Context, deviceID string) error {
	return noContent(c.api.DecommissionDevice(ctx, deviceID))
}

// OpenSession opens a support session on a device. If there is one already, the error
// is [CodeSessionActive] and carries its SessionID.
func (c *CustomerClient) OpenSession(ctx context.Context, session OpenSessionRequest, options ...CallOption) (Session, error) {
	return result[Session](c.api.OpenSession(ctx, nil, session, options...))
}

// Session reads a session with its commands.
func (c *CustomerClient) Session(ctx context.Context, sessionID string) (Session, error) {
	return result[Session](c.api.GetSession(ctx, sessionID))
}

// CloseSession ends a session and with it the commands in it that no device has claimed.
func (c *CustomerClient) CloseSession(ctx context.Context, sessionID, reason string) (Session, error) {
	return result[Session](c.api.CloseSession(ctx, sessionID, ReasonRequest{Reason: reason}))
}

// Propose asks for a command. Its status tells whether it waits for a decision or for
// the device. One that the policy forbids is [CodeCommandDenied].
func (c *CustomerClient) Propose(ctx context.Context, sessionID string, command ProposeCommandRequest, options ...CallOption) (Command, error) {
	return result[Command](c.api.ProposeCommand(ctx, sessionID, nil, command, options...))
}

// Command reads a command with its attempts, the decision over it and its result.
func (c *CustomerClient) Command(ctx context.Context, sessionID, commandID string) (Command, error) {
	return result[Command](c.api.GetCommand(ctx, sessionID, commandID))
}

// Cancel ends a command that no device has claimed. A claimed one stays claimed with
// CancelRequested, and its device decides whether it can still stop.
func (c *CustomerClient) Cancel(ctx context.Context, sessionID, commandID, reason string) (Command, error) {
	return result[Command](c.api.CancelCommand(ctx, sessionID, commandID, ReasonRequest{Reason: reason}))
}

// Retry proposes a command that has ended once more, as a new one and through the
// policy again.
func (c *CustomerClient) Retry(ctx context.Context, sessionID, commandID, reason string, options ...CallOption) (Command, error) {
	return result[Command](c.api.RetryCommand(ctx, sessionID, commandID, nil, ReasonRequest{Reason: reason}, options...))
}

// Decide approves or rejects a command. Send the Digest of the command that was looked
// at, so that nothing else is decided over. If another decision stands, the error is
// [CodeAlreadyDecided] and carries its Approval.
func (c *CustomerClient) Decide(ctx context.Context, sessionID string, decision DecisionRequest) (Command, error) {
	decided, err := result[DecidedCommand](c.api.DecideCommand(ctx, sessionID, decision))
	return decided.Command, err
}

// CloseConnection ends an open socket, whichever instance of the gateway holds it. Whoever
// had it may open another one: to keep a device out, suspend it.
func (c *CustomerClient) CloseConnection(ctx context.Context, connectionID string) error {
	return noContent(c.api.CloseConnection(ctx, connectionID))
}

// IssueTicket gives a page in a browser what it opens one socket with, within 30 s: a
// browser cannot send the token with the handshake. Origin is that of the page; empty
// for a program that is no browser. This library's own sockets need no ticket.
func (c *CustomerClient) IssueTicket(ctx context.Context, origin string) (Ticket, error) {
	return result[Ticket](c.api.IssueTicket(ctx, IssueTicketRequest{Origin: origin}))
}

// SystemInfo tells about the instance that answers.
func (c *CustomerClient) SystemInfo(ctx context.Context) (SystemInfo, error) {
	return result[SystemInfo](c.api.GetSystemInfo(ctx))
}
