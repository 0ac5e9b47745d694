package fieldgate

import (
	"context"
	"time"
)

// A DeviceClient makes the calls of a device: it sends heartbeats, claims commands, extends
// their leases and submits their results. It is safe for concurrent use.
//
// A client from [Gateway.Device] logs in on its first call, and renews the login after 80
// to 90 % of its lifetime. After a 401 it logs in and sends the call once more; a second
// 401 is returned. When the login is refused, each call returns that refusal, such as
// [CodeInvalidCredentials] or [CodeDeviceSuspended]. The next call tries again, so pause
// between calls.
type DeviceClient struct {
	requester requester
	dialing   requester // the same with the credentials of sockets
	login     *login    // nil if the token comes from a TokenSource
}

func newDeviceClient(r requester, socketCredentials credentials, login *login) *DeviceClient {
	return &DeviceClient{requester: r, dialing: r.withCredentials(socketCredentials), login: login}
}

// Heartbeat reports that the device is alive, and returns the number of commands that wait
// for it and those to cancel. Send the next one after NextHeartbeatMs of the reply.
func (d *DeviceClient) Heartbeat(ctx context.Context, heartbeat HeartbeatRequest) (HeartbeatReply, error) {
	return decode[HeartbeatReply](d.requester.sendHeartbeat(ctx, heartbeat))
}

// Claim claims commands, the most urgent first, each under a lease of its own. If there is
// none, it waits for up to WaitMs of the request, and then returns none and no error.
//
// Before executing a command, store its id and claim token where they survive a reboot. A
// Claim whose response may be lost can be repeated with the same [WithIdempotencyKey]; it
// returns the same commands and tokens.
func (d *DeviceClient) Claim(ctx context.Context, claim ClaimRequest, options ...CallOption) ([]ClaimedCommand, error) {
	r := d.requester.withWait(milliseconds(claim.WaitMs))
	claimed, err := decode[claimedCommands](r.claimCommands(ctx, claim, options))
	return claimed.Commands, err
}

// Extend makes the lease of a command end after ExtensionMs from now. The lease that it
// returns reports whether cancelling was requested. On [CodeClaimSuperseded] or
// [CodeCommandFinished], stop and discard the result. On [CodeClaimExpired], continue and
// submit the result.
func (d *DeviceClient) Extend(ctx context.Context, commandID string, extension ExtendRequest) (Lease, error) {
	return decode[Lease](d.requester.extendCommand(ctx, commandID, extension))
}

// Release returns a command to the queue that the device has not begun. The attempt does
// not count.
func (d *DeviceClient) Release(ctx context.Context, commandID string, release ReleaseRequest) (ReleasedCommand, error) {
	return decode[ReleasedCommand](d.requester.releaseCommand(ctx, commandID, release))
}

// SubmitResult submits the result of a command. Repeat it until it succeeds or is refused
// with a status other than 401, 429 and 5xx. The gateway stores the same result with the
// same claim token once, and marks the repetition as a duplicate. It accepts a result
// after the lease has ended too, unless a newer claim exists ([CodeClaimSuperseded]).
//
// Output beyond [MaxOutput] and Error beyond [MaxError] are cut, and so is Output that is
// too large in JSON. Their last line says so. Data is sent unchanged.
func (d *DeviceClient) SubmitResult(ctx context.Context, commandID string, result ResultRequest) (RecordedResult, error) {
	return decode[RecordedResult](d.requester.submitResult(ctx, commandID, TruncateResult(result)))
}

// Command returns the state of a command that this device has claimed.
func (d *DeviceClient) Command(ctx context.Context, commandID string) (DeviceCommand, error) {
	return decode[DeviceCommand](d.requester.getDeviceCommand(ctx, commandID))
}

// Logout ends the login, if there is one. Call it before a factory reset or a handover. A
// device that is only switched off needs no logout. The next call logs in again.
func (d *DeviceClient) Logout(ctx context.Context) error {
	if d.login == nil {
		return check(d.requester.endDeviceLogin(ctx))
	}
	if !d.login.active() {
		return nil
	}
	if err := check(d.requester.endDeviceLogin(ctx)); err != nil {
		return err
	}
	d.login.forget()
	return nil
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
