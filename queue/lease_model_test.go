package queue_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/fieldgate/fieldgate/queue/model"
)

// leaseAttempts is the MaxAttempts of all commands in a history.
const leaseAttempts = 4

// operation is one operation of a client on one command, and its response. Times are in Unix
// ms. They come from the store's clock if the response contains them, and otherwise from the
// client's clock. Both clocks are on the same machine.
type operation struct {
	kind    model.Kind
	command string // id of the command; empty for a claim that returned no command or whose response was lost
	token   string
	key     string // Idempotency-Key of a claim
	result  string
	visible int64 // end of the lease from the response; without a response, the earliest possible end
	span    int64 // requested length of the lease in ms, counted from the operation

	unknown   bool  // the response was lost, so the operation may or may not have happened
	at        int64 // time of the operation; zero if the response does not contain it
	latest    int64 // latest possible time of the operation
	code      string
	status    model.Status
	attempt   int
	late      bool
	duplicate bool
}

// leaseState is the state of one command in the lease model.
type leaseState struct {
	status   model.Status
	token    string
	released bool
	visible  int64 // end of the lease; after a lost response, the earliest possible end
	until    int64 // end of the lease; after a lost response, the latest possible end
	attempt  int
	cancel   bool
	result   string
}

// leaseModel returns a porcupine model for the lease of one command. The model is
// nondeterministic for two reasons. A lease may expire at any time in an interval, and an
// operation with a lost response may or may not have happened.
func leaseModel() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{leaseState{status: model.Queued}} },
		Step: func(state, input, _ any) (next []any) {
			for _, s := range state.(leaseState).possible(input.(operation)) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return nondeterministic.ToModel()
}

// possible returns all states that are possible after an operation. If the lease may have
// expired before the operation, it returns the states for both cases.
func (s leaseState) possible(op operation) (next []leaseState) {
	at := op.latest
	if op.at != 0 {
		at = op.at
	}
	if s.status != model.Claimed || op.at == 0 || op.at < s.until {
		next = s.after(op)
	}
	if s.status == model.Claimed && s.visible <= at {
		next = append(next, s.expired().after(op)...)
	}
	return next
}

// expired returns the state after the lease has expired.
func (s leaseState) expired() leaseState {
	switch {
	case s.attempt >= leaseAttempts:
		s.status = model.TimedOut
	case s.cancel:
		s.status = model.Cancelled
	default:
		s.status = model.Queued
	}
	return s
}

// after returns the possible states after an operation. It returns no state if the
// response is wrong.
func (s leaseState) after(op operation) []leaseState {
	if op.unknown {
		return append(s.afterLostResponse(op), s)
	}
	var next leaseState
	var legal bool
	switch {
	case op.code != "ok":
		next, legal = s, s.isRightRefusal(op)
	case op.kind == model.Claim:
		next, legal = s.afterClaim(op)
	default:
		next, legal = s.afterAccepted(op)
		legal = legal && next.status == op.status
	}
	if !legal {
		return nil
	}
	return []leaseState{next}
}

// afterClaim returns the state after a claim, and reports whether the response was allowed.
// Three responses are possible: no command, the command, or the same lease again for a
// repeated Idempotency-Key.
func (s leaseState) afterClaim(op operation) (leaseState, bool) {
	switch {
	case op.command == "":
		return s, s.status != model.Queued
	case s.status == model.Claimed && (s.token == op.token || op.key != "" && s.token == op.key):
		s.token, s.visible, s.until = op.token, op.visible, op.visible
		return s, s.attempt == op.attempt
	}
	legal := s.status == model.Queued && op.attempt == s.attempt+1
	return leaseState{status: model.Claimed, token: op.token, visible: op.visible, until: op.visible, attempt: op.attempt}, legal
}

// afterAccepted returns the state after an accepted extension, release, result or
// cancellation. It reports whether the queue was allowed to accept the operation.
func (s leaseState) afterAccepted(op operation) (leaseState, bool) {
	newest := s.token == op.token && !s.released
	switch op.kind {
	case model.Extend:
		legal := newest && s.status == model.Claimed
		s.visible, s.until = op.visible, op.visible
		return s, legal
	case model.Release:
		if s.released && s.token == op.token {
			return s, true
		}
		legal := newest && s.status == model.Claimed
		return s.afterRelease(), legal
	case model.SubmitResult:
		if s.result != "" {
			return s, newest && op.duplicate && s.result == op.result
		}
		late := s.status != model.Claimed
		legal := newest && !op.duplicate && late == op.late && (s.status != model.Cancelled || s.cancel)
		s.result, s.status = op.result, model.Succeeded
		return s, legal
	}
	return s.afterCancel(), s.status == model.Cancelled || !s.status.Final()
}

func (s leaseState) afterRelease() leaseState {
	s.status, s.released, s.attempt = model.Queued, true, s.attempt-1
	if s.cancel {
		s.status = model.Cancelled
	}
	return s
}

func (s leaseState) afterCancel() leaseState {
	switch s.status {
	case model.Queued:
		s.status = model.Cancelled
	case model.Claimed:
		s.cancel = true
	}
	return s
}

// isRightRefusal reports whether both hold: the operation had to be refused, and the refusal
// contains the right state.
func (s leaseState) isRightRefusal(op operation) bool {
	newest := s.token == op.token && !s.released
	right := false
	switch op.code {
	case "claim_superseded":
		right = !newest
	case "claim_expired":
		right = newest && s.result == "" && (s.status == model.Queued || s.status == model.TimedOut)
	case "command_finished":
		right = s.status.Final() && (newest || op.kind == model.Cancel) &&
			(op.kind != model.SubmitResult || s.result != "" && s.result != op.result || s.result == "" && s.status == model.Cancelled && !s.cancel)
	}
	return right && s.status == op.status && s.attempt == op.attempt
}

// afterLostResponse returns the possible states after an operation that happened although its
// response was lost. It returns no state if the operation cannot have changed anything.
func (s leaseState) afterLostResponse(op operation) []leaseState {
	if op.kind == model.Claim {
		if s.status != model.Queued {
			return nil
		}
		return []leaseState{{status: model.Claimed, token: op.key, visible: op.visible, until: op.latest + op.span, attempt: s.attempt + 1}}
	}
	op.late, op.duplicate = s.status != model.Claimed, false
	if next, legal := s.afterAccepted(op); legal {
		if op.kind == model.Extend {
			next.until = op.latest + op.span
		}
		return []leaseState{next}
	}
	return nil
}
