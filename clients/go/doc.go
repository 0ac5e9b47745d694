// Package fieldgate is the Go client of a Fieldgate command gateway.
//
// [New] returns a [Gateway], which creates two kinds of clients. A [DeviceClient] claims
// commands and submits their results. A [CustomerClient] runs the fleet of a tenant.
//
//	gateway, err := fieldgate.New("https://gateway.example.com")
//	...
//	device := gateway.Device(deviceID, deviceSecret)
//	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000})
//
// The types of requests and responses are generated from the contract, and their fields
// are documented there too.
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
//   - Heartbeat, Extend, Release, SubmitResult, Update, Suspend, Resume, RevokeLogins,
//     Decommission, CloseSession, Cancel and Decide. A repetition changes nothing more.
//     After a lost response it may be refused because of what has happened since, such as
//     with [CodeCommandFinished]. Then [APIError].Command has the current state;
//   - Register, Claim, Provision, IssueActivationCode, OpenSession, Propose and Retry, if
//     both calls have the same [WithIdempotencyKey]. Without a key, a repetition may create
//     a second record. A Register whose response was lost has used its code. A Claim whose
//     response was lost leaves its commands claimed until their leases end.
//
// The HTTP transport of Go also repeats a request that reads or has an idempotency key,
// when a connection from its pool turns out to be closed.
//
// Wait before each retry, longer each time, and at least [APIError].RetryAfter.
//
// # Sockets
//
// [DeviceClient.Connect] and [CustomerClient.Connect] open sockets, which save requests and
// notify the program at once. A [DeviceSocket] makes the calls of its client. A
// [CustomerSocket] returns the events of the rooms that it subscribes to. Both reconnect
// until their context ends, log in again when they must, and resume without a gap. The
// linker leaves their code out of a program that does not use them.
//
// A call whose connection breaks before the reply returns [ErrInterrupted]. Like a call
// that timed out, it may or may not have been executed.
package fieldgate
