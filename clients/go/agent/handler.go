package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A Command is what a handler is to do.
type Command = fieldgate.ClaimedCommand

// A Result is what came of a command.
type Result struct {
	// Output is for people. What is longer than [fieldgate.MaxOutput] characters is cut,
	// with a last line that says so.
	Output string

	// Data is for programs: a struct or map that becomes a JSON object of at most
	// MaxData bytes. Default: none.
	Data any
}

// A Handler does the commands of one type. Its context ends when somebody wants the
// command stopped, when its time is over, when the claim is lost, or when the agent is
// to end; context.Cause tells which: [ErrCancelRequested], [ErrTimeout], [ErrClaimLost]
// or [ErrShutdown]. A handler that then returns the error of the context has stopped;
// one that is done all the same returns its result, and that counts.
//
// With an error, the command has failed; [Fail] gives it a code. A Result beside an error
// is reported too. A panic is a failure with [CodePanic].
type Handler func(ctx context.Context, command Command) (Result, error)

// DefaultTimeout is how long a handler may work unless [Timeout] says otherwise. Without
// a bound, one that hangs would keep the device from all other work. See Timeout for one
// that ignores it.
const DefaultTimeout = 10 * time.Minute

// A HandlerOption changes how the commands of a type are treated.
type HandlerOption func(*registered)

// registered is a handler with what was said about it.
type registered struct {
	handler    Handler
	repeatable bool
	timeout    time.Duration
}

// Repeatable says that doing a command of this type twice does no harm. A command that
// was being done when the agent died is then done again, if its claim still stands, but
// after three times, in which it may be what kills the agent, it is reported like any other:
// as failed with [CodeInterrupted].
func Repeatable() HandlerOption {
	return func(r *registered) { r.repeatable = true }
}

// Timeout bounds how long a command of this type may take. Default: DefaultTimeout.
//
// Nothing can stop a handler that ignores the end of its context, for whatever reason that
// has ended. After the Grace of the configuration it is given up: its command is reported as
// failed, with CodeTimeout or [CodeInterrupted], its slot is free for other work, and what
// it returns later is dropped. Commands of other types are then begun beside it, for a
// device that does nothing any more cannot even be asked what is wrong; those of its own
// type are refused with [CodeStuck] until it returns. So a handler that must have the
// device for itself, such as one that writes firmware, has to heed its context.
func Timeout(timeout time.Duration) HandlerOption {
	return func(r *registered) { r.timeout = timeout }
}

// Codes of failed commands that the agent itself gives. They are the "code" in the data of
// a result; handlers add their own with [Fail].
const (
	CodeUnknownType       = "unknown_type"       // the device has no handler for it
	CodeInvalidParameters = "invalid_parameters" // the handler does not take these parameters
	CodeFailed            = "failed"             // the handler gave an error without a code
	CodePanic             = "panic"              // the handler has a fault
	CodeTimeout           = "timeout"            // the handler took too long
	CodeInterrupted       = "interrupted"        // the agent ended or died while it worked: how far it got is not known
	CodeInvalidResult     = "invalid_result"     // the handler's result cannot be reported
	CodeStuck             = "stuck"              // not begun: an earlier one of this type ignores that it is to stop
)

// Why the context of a handler has ended, for errors.Is with context.Cause.
var (
	ErrCancelRequested = errors.New("agent: somebody wants the command stopped")
	ErrTimeout         = errors.New("agent: the command took too long")
	ErrClaimLost       = errors.New("agent: the gateway has given the command away")
	ErrShutdown        = errors.New("agent: the agent is to end")
)

// A CancelError is an ErrCancelRequested with the reason.
type CancelError struct {
	Reason string // in words; may be empty
}

// Error describes the wish for a log line.
func (e *CancelError) Error() string {
	if e.Reason == "" {
		return ErrCancelRequested.Error()
	}
	return ErrCancelRequested.Error() + ": " + e.Reason
}

// Is makes it an ErrCancelRequested.
func (e *CancelError) Is(target error) bool { return target == ErrCancelRequested }

// A Failure is an error with a code for programs.
type Failure struct {
	Code   string
	Reason string
	Cause  error // what %w stood for; may be nil
}

// Error gives the reason.
func (f *Failure) Error() string { return f.Reason }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Fail makes an error with a code, such as "connection_refused", and a reason in words,
// written like fmt.Errorf.
func Fail(code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Failure{Code: code, Reason: err.Error(), Cause: errors.Unwrap(err)}
}

// Parameters reads the parameters of a command. What does not fit, and names that T does
// not have, are a Failure with [CodeInvalidParameters].
func Parameters[T any](command Command) (T, error) {
	var parameters, none T
	text := command.Parameters
	if len(text) == 0 {
		text = json.RawMessage("{}")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&parameters); err != nil {
		return none, Fail(CodeInvalidParameters, "reading the parameters: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return none, Fail(CodeInvalidParameters, "reading the parameters: there is more than one value")
	}
	return parameters, nil
}
