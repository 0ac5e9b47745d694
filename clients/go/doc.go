// Package fieldgate is the Go client library for the Fieldgate command gateway.
//
// [New] returns a [Gateway], which creates two kinds of clients. A [DeviceClient] is for a
// device: it claims commands and submits their results. A [CustomerClient] is for the users
// of a tenant: it manages devices and proposes commands.
//
//	gateway, err := fieldgate.New("https://gateway.example.com")
//	...
//	device := gateway.Device(deviceID, deviceSecret)
//	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000})
//
// The types of requests and responses are generated from openapi.yaml, the contract. It
// documents their fields.
//
// # Errors
//
// A refusal of the gateway is an [*APIError] with a code of the contract. Switch on
// [CodeOf] and the Code constants. A response that cannot be read, such as the page of a
// proxy, is an *APIError without a code. Any other error means that there was no response:
// the connection failed, the timeout passed, or the context ended.
//
// # Retries
//
// The client retries by itself in one case: a DeviceClient from [Gateway.Device] logs in
// after a 401 and sends the request once more. All other retries are up to the caller.
// These calls are safe to repeat:
//
//   - all calls that read;
//   - Heartbeat, Extend, Release, SubmitResult, Update, Suspend, Resume, RevokeLogins, ResolveIdentity,
//     Decommission, CloseSession, Cancel and Decide. Repeating the call has no further effect.
//     The gateway may refuse the second call because of a change since the first, for example
//     with [CodeCommandFinished]. Then [APIError].Command has the current state;
//   - Register, Claim, Provision, IssueActivationCode, OpenSession, Propose and Retry, if both
//     calls have the same [WithIdempotencyKey]. Without a key, the second call may create a
//     second record. If the response to a Register is lost, the activation code is used up. If
//     the response to a Claim is lost, its commands stay claimed until their leases end.
//
// The HTTP transport of Go also repeats requests itself, if a pooled connection turns out to
// be closed. It repeats only requests that read or have an idempotency key.
//
// Wait before each retry for at least [APIError].RetryAfter, and longer each time.
//
// # Sockets
//
// [DeviceClient.Connect] and [CustomerClient.Connect] open sockets, which save requests and
// notify the program without delay. A [DeviceSocket] makes the calls of a DeviceClient. A
// [CustomerSocket] returns the events of the rooms that it subscribes to. Both kinds of
// sockets reconnect until their context ends, log in again when necessary, and resume
// without a gap. The linker omits the code of sockets from a program that uses none.
//
// If the connection breaks before the reply to a call, the call returns [ErrInterrupted]. As
// after a timeout, the call may or may not have been executed.
package fieldgate
