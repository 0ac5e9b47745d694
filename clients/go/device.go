package fieldgate

import (
	"context"
	"time"
)

// A DeviceClient makes the calls of a device: it sends heartbeats, claims commands, extends
// their leases and submits their results. It is safe for concurrent use.
//
// A client from [Gateway.Device] logs in on its first call, and renews the login after 80 to 90
// % of its lifetime. After a 401, the client logs in and sends the call once more. If the
// response is a 401 again, the call returns it. If the gateway refuses the login, the call
// returns that refusal, such as [CodeInvalidCredentials] or [CodeDeviceSuspended]. The next
// call tries to log in again, so pause between calls.
type DeviceClient struct {
	requester requester
	dialing   requester // like requester, but with the credentials for sockets
	login     *login    // nil if the token comes from a TokenSource
}

func newDeviceClient(r requester, socketCredentials credentials, login *login) *DeviceClient {
	return &DeviceClient{requester: r, dialing: r.withCredentials(socketCredentials), login: login}
}

// Heartbeat reports that the device is alive. The reply has the number of waiting commands and
// the commands to cancel. Send the next heartbeat after NextHeartbeatMs of the reply.
func (d *DeviceClient) Heartbeat(ctx context.Context, heartbeat HeartbeatRequest) (HeartbeatReply, error) {
	return decode[HeartbeatReply](d.requester.sendHeartbeat(ctx, heartbeat))
}

// Claim claims commands, the most urgent first. Each command has its own lease. If no command
// is ready, Claim waits up to WaitMs of the request, and then returns no commands and no error.
//
// Before executing a command, store its id and claim token where they survive a reboot. If the
// response to a Claim is lost, repeat the Claim with the same [WithIdempotencyKey]. It then
// returns the same commands and tokens.
func (d *DeviceClient) Claim(ctx context.Context, claim ClaimRequest, options ...CallOption) ([]ClaimedCommand, error) {
	r := d.requester.withWait(milliseconds(claim.WaitMs))
	claimed, err := decode[claimedCommands](r.claimCommands(ctx, claim, options))
	return claimed.Commands, err
}

// Extend sets the end of a command's lease to ExtensionMs from now. The returned lease reports
// whether a user has requested to cancel the command. After [CodeClaimSuperseded] or
// [CodeCommandFinished], stop and discard the result. After [CodeClaimExpired], continue and
// submit the result.
func (d *DeviceClient) Extend(ctx context.Context, commandID string, extension ExtendRequest) (Lease, error) {
	return decode[Lease](d.requester.extendCommand(ctx, commandID, extension))
}

// ReportProgress reports how far a claimed command is, and what it has printed since the last
// report. Number the reports of a claim from 1 on, and send at most one a second. The reply says
// whether a user has requested to cancel the command. Progress changes nothing, so go on with the
// command if the report fails. After [CodeQuotaExceeded], report without Output.
func (d *DeviceClient) ReportProgress(ctx context.Context, commandID string, progress ProgressRequest) (ProgressReply, error) {
	return decode[ProgressReply](d.requester.reportProgress(ctx, commandID, progress))
}

// Release returns a claimed command to the queue. Use it for a command that the device has not
// started. The claim then does not count as an attempt.
func (d *DeviceClient) Release(ctx context.Context, commandID string, release ReleaseRequest) (ReleasedCommand, error) {
	return decode[ReleasedCommand](d.requester.releaseCommand(ctx, commandID, release))
}

// SubmitResult submits the result of a command. Repeat the call until it succeeds, or fails with
// an [APIError] that has a Code and a 4xx Status other than 401, 408, 415 and 429. The gateway
// stores a result only once. If the call is repeated with the same claim token, the reply is
// marked as a duplicate. The gateway also accepts a result after the lease has ended, unless a
// newer claim exists ([CodeClaimSuperseded]).
//
// Output longer than [MaxOutput] and Error longer than [MaxError] are cut. Output is also cut
// if its JSON is too large. The last line of a cut text says so. Data is sent unchanged.
func (d *DeviceClient) SubmitResult(ctx context.Context, commandID string, result ResultRequest) (RecordedResult, error) {
	return decode[RecordedResult](d.requester.submitResult(ctx, commandID, TruncateResult(result)))
}

// Command returns the state of a command that this device has claimed.
func (d *DeviceClient) Command(ctx context.Context, commandID string) (DeviceCommand, error) {
	return decode[DeviceCommand](d.requester.getDeviceCommand(ctx, commandID))
}

// Logout ends the login, if there is one. Call Logout before a factory reset or a change of
// ownership. It is not needed before the device is switched off. The next call logs in again.
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
