package fieldgate

import (
	"context"
	"time"
)

// A DeviceClient does what a device does: show that it is alive, claim commands, keep
// them under a lease, and report what came of them. It is safe for concurrent use.
//
// Made by [Gateway.Device], it logs in when it is first used, again when 80 to 90 %
// of the login's life have passed, and once for a call that is answered 401; that
// call is then repeated, and a second 401 is returned. If logging in is refused, each
// call gives that refusal, such as [CodeInvalidCredentials] or [CodeDeviceSuspended],
// and tries again when it is made again: pause between calls.
type DeviceClient struct {
	connection connection
	api        *Client
	handshakes connection // the same, with the credentials of sockets
	login      *login     // nil if the token comes from elsewhere
}

func newDeviceClient(c connection, handshakes credentials, login *login) *DeviceClient {
	return &DeviceClient{connection: c, api: c.api(), handshakes: c.as(handshakes), login: login}
}

// Heartbeat shows that the device is alive and tells what waits for it. Send the next
// one after NextHeartbeatMs of the reply.
func (d *DeviceClient) Heartbeat(ctx context.Context, heartbeat HeartbeatRequest) (HeartbeatReply, error) {
	return result[HeartbeatReply](d.api.SendHeartbeat(ctx, heartbeat))
}

// Claim gets work, most urgent first, each command under a lease of its own. If there
// is none it waits for WaitMs of the request and then gives none without an error.
//
// Before working on a command, write down its id and claim token where they survive a
// reboot. A Claim whose answer may have been lost can be repeated with the same
// WithIdempotencyKey and gives the same commands and tokens.
func (d *DeviceClient) Claim(ctx context.Context, claim ClaimRequest, options ...CallOption) ([]ClaimedCommand, error) {
	api := d.connection.waiting(milliseconds(claim.WaitMs)).api()
	claimed, err := result[ClaimedCommands](api.ClaimCommands(ctx, nil, claim, options...))
	return claimed.Commands, err
}

// Extend makes the lease of a command last for ExtensionMs from now. The answer tells
// whether somebody wants the work stopped. On [CodeClaimSuperseded] or
// [CodeCommandFinished] drop the work; on [CodeClaimExpired] finish and report it.
func (d *DeviceClient) Extend(ctx context.Context, commandID string, extension ExtendRequest) (Lease, error) {
	return result[Lease](d.api.ExtendCommand(ctx, commandID, extension))
}

// Release gives a command back that the device has not begun. The attempt is not
// counted.
func (d *DeviceClient) Release(ctx context.Context, commandID string, release ReleaseRequest) (ReleasedCommand, error) {
	return result[ReleasedCommand](d.api.ReleaseCommand(ctx, commandID, release))
}

// SubmitResult reports what came of a command. Repeat it until it succeeds or is refused
// with another status than 401, 429 and 5xx: the same result with the same claim
// token is stored once, and the repetition is marked as a duplicate. A result that is
// too late is recorded too, unless a newer claim exists ([CodeClaimSuperseded]).
//
// Output beyond MaxOutput and an Error beyond MaxError are cut, with a last line that
// says so, and so is Output that is too large as JSON. Data is sent as it is.
func (d *DeviceClient) SubmitResult(ctx context.Context, commandID string, outcome ResultRequest) (RecordedResult, error) {
	outcome = Fit(outcome)
	return result[RecordedResult](d.api.SubmitResult(ctx, commandID, outcome))
}

// Command reads the state of a command that this device has claimed.
func (d *DeviceClient) Command(ctx context.Context, commandID string) (DeviceCommand, error) {
	return result[DeviceCommand](d.api.GetDeviceCommand(ctx, commandID))
}

// Logout ends the login, if there is one. Call it before a factory reset or a handover;
// a device that is switched off may just go. The next call logs in again.
func (d *DeviceClient) Logout(ctx context.Context) error {
	if d.login == nil {
		return noContent(d.api.EndDeviceLogin(ctx))
	}
	if !d.login.held() {
		return nil
	}
	if err := noContent(d.api.EndDeviceLogin(ctx)); err != nil {
		return err
	}
	d.login.forget()
	return nil
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
