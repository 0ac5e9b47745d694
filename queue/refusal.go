package queue

import (
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// details says, for each code that a script answers, what it means to the caller.
var details = map[fieldgate.Code]string{
	fieldgate.CodeUnauthorized:         "The login is over, or the device was suspended.",
	fieldgate.CodeSessionNotFound:      "There is no such session.",
	fieldgate.CodeCommandNotFound:      "There is no such command.",
	fieldgate.CodeSessionClosed:        "The session is over: nothing of it runs any more.",
	fieldgate.CodeDeviceQueueFull:      "The device has as many commands waiting as it may have.",
	fieldgate.CodeIdempotencyKeyReused: "This Idempotency-Key belongs to another request.",
	fieldgate.CodeSelfApproval:         "Whoever proposes a command may not approve it: another person has to.",
	fieldgate.CodeAlreadyDecided:       "The command does not wait for a decision any more.",
	fieldgate.CodeApprovalExpired:      "The time in which the command could be approved is over.",
	fieldgate.CodeCommandFinished:      "The command has come to its end.",
	fieldgate.CodeClaimSuperseded:      "This claim is over: the command was given back or claimed again.",
	fieldgate.CodeClaimExpired:         "The lease of this claim has ended.",
	fieldgate.CodeInvalidClaimToken:    "This token was never given out for the command.",
}

// refusal turns what a script answered into what the caller is told. Where the
// script gave the state of the command, it is the third element.
func refusal(reply store.Reply, id string) error {
	code := reply.Code()
	detail, known := details[code]
	if !known {
		return fmt.Errorf("a script answered %q", code)
	}
	refused := fieldgate.Refuse(code, detail)
	if code == fieldgate.CodeDeviceQueueFull {
		refused.RetryAfter = 10 * time.Second
	}
	raw := reply.String(2)
	if raw == "" {
		return refused
	}
	s, err := decodeState(raw)
	if err != nil {
		return err
	}
	if code == fieldgate.CodeAlreadyDecided {
		refused.Approval = s.approval()
	}
	return withState(refused, id, s.Status, s.Attempt)
}

// withState tells the caller where the command stands, which saves it a request.
func withState(refused *fieldgate.Error, id string, status Status, attempt int) error {
	refused.Command = &fieldgate.CommandState{ID: id, Status: string(status), Attempt: attempt}
	return refused
}
