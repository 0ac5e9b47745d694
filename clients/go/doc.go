// Package fieldgate is the Go client of a Fieldgate command gateway.
//
// [New] gives a [Gateway]. From it come the two kinds of callers that a gateway
// knows: a [DeviceClient], which claims commands and reports results, and a
// [CustomerClient], which runs the fleet. Their methods return values and errors:
//
//	gateway, err := fieldgate.New("https://gateway.example.com")
//	...
//	device := gateway.Device(deviceID, deviceSecret)
//	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000})
//
// # Errors
//
// Whatever the gateway refuses is an [*APIError], with the code of the contract;
// [CodeOf] and the Code constants are for switching on it. An answer that cannot be
// read, such as a proxy's page, is an *APIError without a code. Any other error means
// that no answer came: the connection failed, or time ran out, or the context ended.
//
// # Repeating
//
// The client repeats one thing by itself: a DeviceClient that is answered 401 logs
// in again and sends that request once more. When and how often to repeat the rest
// is up to the caller, who knows what is at stake. Safe to repeat are:
//
//   - everything that reads;
//   - Heartbeat, Extend, Release, SubmitResult, Update, Suspend, Resume, RevokeLogins,
//     Decommission, CloseSession, Cancel, Decide: a repetition changes nothing more.
//     After a lost answer it may be refused with what has happened meanwhile, such as
//     [CodeCommandFinished], and its [APIError].Command tells the state;
//   - Register, Claim, Provision, IssueActivationCode, OpenSession, Propose and Retry,
//     if both calls carry the same [WithIdempotencyKey]. Without one, what is created
//     may be created twice; a Register whose answer was lost has used up its code; and
//     a Claim whose answer was lost hides its commands until their leases run out.
//
// Go's own transport also sends a request again, if it reads or has an idempotency
// key, when a connection from its pool turns out to be closed.
//
// Wait before repeating, longer each time, and at least [APIError].RetryAfter.
//
// # Sockets
//
// [DeviceClient.Connect] and [CustomerClient.Connect] open sockets, which save requests
// and tell at once what happens. They need nothing else: a [DeviceSocket] claims and
// reports as its client does, a [CustomerSocket] gives the events of the rooms it has
// subscribed to. Both keep themselves connected until their context ends, log in again
// where it is needed, and take up where they were. A program without them does not
// carry their code.
//
// A call whose connection breaks before the answer is [ErrInterrupted] and, like a call
// whose time ran out, may or may not have been done.
//
// # The generated part
//
// The types come from the contract and are documented there. [Client], its requests
// and options are generated as well: they are what the methods of this package stand
// on, without credentials, limits and errors. There is no need to use them.
package fieldgate
