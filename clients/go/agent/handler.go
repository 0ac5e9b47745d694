package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A Command is a claimed command. It is the argument of a handler.
type Command = fieldgate.ClaimedCommand

// A Result is the value that a handler returns for a command.
type Result struct {
	// Output is text for users. Output longer than [fieldgate.MaxOutput] characters is cut, and
	// its last line then reports the cut.
	Output string

	// Data is for programs: a struct or map that is encoded as a JSON object of at most MaxData
	// bytes. Default: nil, no data.
	Data any
}

// A Handler runs the commands of one type. Its context ends when a user cancels the command,
// when the timeout expires, when the claim is lost, or when the agent shuts down. context.Cause
// then returns [ErrCancelRequested], [ErrTimeout], [ErrClaimLost] or [ErrShutdown]. A handler
// that stops because its context ended returns the error of the context. A handler that still
// completes its work after that returns its result as usual, and the agent submits the result.
//
// A command has failed if its handler returns an error. The Result is submitted together with
// the error. [Fail] returns an error with a code. A panic is a failure with [CodePanic].
type Handler func(ctx context.Context, command Command) (Result, error)

// DefaultTimeout bounds how long a handler may run unless [Timeout] sets another bound.
// Without a bound, a handler that hangs would keep the device from running other commands.
const DefaultTimeout = 10 * time.Minute

// A HandlerOption configures how the agent runs the commands of one type.
type HandlerOption func(*registered)

// registered is a handler with its options.
type registered struct {
	handler    Handler
	repeatable bool
	freesSpace bool
	refuses    bool           // whether handler fails each command and does nothing
	after      RestartHandler // nil if commands of the type do not restart the device
	continues  bool           // whether handler is that of a command that continues after a restart
	resumed    bool           // whether an earlier run of the agent has started the command
	timeout    time.Duration
}

// Repeatable declares that running a command of this type twice does no harm. If the agent dies
// while such a command runs, the next Run starts the command again, provided that the claim is
// still valid. After three reruns the command is reported as failed with [CodeInterrupted],
// because the command may be what kills the agent.
//
// Commands of such a type also run while the disk is full or read-only, when the agent cannot
// record that they start. Others then fail with [CodeUnrecorded].
func Repeatable() HandlerOption {
	return func(r *registered) { r.repeatable = true }
}

// FreesSpace declares that commands of this type free space on the disk of the state file. The
// agent keeps a reserve of 64 KiB there. On a full disk it removes the reserve to record such a
// command, which then runs once, as any other. The agent creates the reserve again when there is
// space.
func FreesSpace() HandlerOption {
	return func(r *registered) { r.freesSpace = true }
}

// Timeout bounds how long a command of this type may run. Default: DefaultTimeout.
//
// Go cannot stop a handler that ignores the end of its context. The agent therefore abandons
// such a handler after Config.Grace, whatever ended the context. It reports the command as
// failed with CodeTimeout or [CodeInterrupted], frees the slot, and drops what the handler
// returns later. Commands of other types may then run beside the abandoned handler, so that the
// device can still be diagnosed. Commands of the same type fail with [CodeStuck] until the
// handler returns. A handler that must not run beside others, such as a handler that writes
// firmware, must therefore stop when its context ends.
func Timeout(timeout time.Duration) HandlerOption {
	return func(r *registered) { r.timeout = timeout }
}

// Codes of the failures that the agent itself reports, as the "code" member of Result.Data.
// Handlers add their own codes with [Fail].
const (
	CodeUnknownType       = "unknown_type"       // the device has no handler for the type
	CodeStatementInvalid  = "statement_invalid"  // the statement of the command is not about this command, or cannot be read, so the command did not start
	CodeReceiptInvalid    = "receipt_invalid"    // the command has no receipt that satisfies Config.Trust, so it did not start
	CodeUnsupported       = "unsupported"        // the statement has a version that this agent does not know, so the command did not start
	CodeInvalidParameters = "invalid_parameters" // the parameters do not fit the handler
	CodeFailed            = "failed"             // the handler returned an error without a code
	CodePanic             = "panic"              // the handler panicked or ended its goroutine
	CodeTimeout           = "timeout"            // the handler exceeded its timeout
	CodeInterrupted       = "interrupted"        // the agent ended while the command ran; it is unknown how much was executed
	CodeInvalidResult     = "invalid_result"     // the result of the handler cannot be submitted
	CodeNotRestarted      = "not_restarted"      // the handler announced a restart that did not happen
	CodeUnrecorded        = "unrecorded"         // the device cannot write its journal, so the command did not start
	CodeStuck             = "stuck"              // an abandoned handler for the same type still runs, so the command did not start
)

// The causes of the end of a handler's context. To check for one, call
// errors.Is(context.Cause(ctx), ErrTimeout).
var (
	ErrCancelRequested = errors.New("agent: cancellation of the command was requested")
	ErrTimeout         = errors.New("agent: the command exceeded its timeout")
	ErrClaimLost       = errors.New("agent: the claim on the command was lost")
	ErrShutdown        = errors.New("agent: the agent is shutting down")
)

// A CancelError is an ErrCancelRequested with the user's reason.
type CancelError struct {
	Reason string // may be empty
}

// Error returns the message of ErrCancelRequested with the reason.
func (e *CancelError) Error() string {
	if e.Reason == "" {
		return ErrCancelRequested.Error()
	}
	return ErrCancelRequested.Error() + ": " + e.Reason
}

// Is reports whether target is ErrCancelRequested.
func (e *CancelError) Is(target error) bool { return target == ErrCancelRequested }

// A Failure is an error with a code that programs can act on.
type Failure struct {
	Code   string
	Reason string
	Cause  error // the error that Fail wrapped with %w; may be nil
}

// Error returns the reason.
func (f *Failure) Error() string { return f.Reason }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Fail returns a Failure with the given code, such as "connection_refused". The reason is
// formatted as by fmt.Errorf.
func Fail(code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Failure{Code: code, Reason: err.Error(), Cause: errors.Unwrap(err)}
}
