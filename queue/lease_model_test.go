package queue_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/fieldgate/fieldgate/queue/model"
)

// leaseAttempts is how often each command of a history may be handed out.
const leaseAttempts = 4

// deed is what a client did with one command, and what it was told. Moments are
// Unix ms: of the store's clock where the answer tells, else the client's, which
// is the same machine's.
type deed struct {
	kind    model.Kind
	command string // empty: a claim that gave nothing, or nobody knows what
	token   string
	key     string // of a claim
	result  string
	visible int64 // when the lease ends, as told; where nobody was told: at the earliest
	lasts   int64 // ms from the deed to the end of the lease, as asked

	unknown  bool  // the reply was lost: it happened, or it did not
	at       int64 // when it happened, where the answer tells; zero: unknown
	latest   int64 // when it had happened, if it has
	code     string
	status   model.Status
	attempt  int
	late     bool
	repeated bool
}

// tenure is who holds a command: the state of the lease model.
type tenure struct {
	status   model.Status
	token    string
	returned bool
	visible  int64 // when the lease ends; where nobody was told: at the earliest,
	until    int64 // and at the latest
	attempt  int
	cancel   bool
	result   string
}

// leaseModel says which answers a command's lease allows, one deed at a time.
func leaseModel() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{tenure{status: model.Queued}} },
		Step: func(state, input, _ any) (next []any) {
			for _, s := range state.(tenure).byThen(input.(deed)) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return nondeterministic.ToModel()
}

// byThen gives all that a command may be after a deed, with the lease run out or
// not where the moment allows both.
func (s tenure) byThen(d deed) (next []tenure) {
	moment := d.latest
	if d.at != 0 {
		moment = d.at
	}
	if s.status != model.Claimed || d.at == 0 || d.at < s.until {
		next = s.after(d)
	}
	if s.status == model.Claimed && s.visible <= moment {
		next = append(next, s.lapsed().after(d)...)
	}
	return next
}

// lapsed is the command when its lease has run out.
func (s tenure) lapsed() tenure {
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

// after gives what the command is after a deed; nothing, where the answer was wrong.
func (s tenure) after(d deed) []tenure {
	if d.unknown {
		return append(s.maybe(d), s)
	}
	var next tenure
	var legal bool
	switch {
	case d.code != "ok":
		next, legal = s, s.refuses(d)
	case d.kind == model.Claim:
		next, legal = s.claimed(d)
	default:
		next, legal = s.did(d)
		legal = legal && next.status == d.status
	}
	if !legal {
		return nil
	}
	return []tenure{next}
}

// claimed is for a claim that was answered: with nothing, with the command, or,
// under the same Idempotency-Key, with the command once more.
func (s tenure) claimed(d deed) (tenure, bool) {
	switch {
	case d.command == "":
		return s, s.status != model.Queued
	case s.status == model.Claimed && (s.token == d.token || d.key != "" && s.token == d.key):
		s.token, s.visible, s.until = d.token, d.visible, d.visible
		return s, s.attempt == d.attempt
	}
	legal := s.status == model.Queued && d.attempt == s.attempt+1
	return tenure{status: model.Claimed, token: d.token, visible: d.visible, until: d.visible, attempt: d.attempt}, legal
}

// did is what an accepted extension, release, report or cancellation does.
func (s tenure) did(d deed) (tenure, bool) {
	newest := s.token == d.token && !s.returned
	switch d.kind {
	case model.Extend:
		legal := newest && s.status == model.Claimed
		s.visible, s.until = d.visible, d.visible
		return s, legal
	case model.Release:
		if s.returned && s.token == d.token {
			return s, true
		}
		legal := newest && s.status == model.Claimed
		return s.given(), legal
	case model.SubmitResult:
		if s.result != "" {
			return s, newest && d.repeated && s.result == d.result
		}
		late := s.status != model.Claimed
		legal := newest && !d.repeated && late == d.late && (s.status != model.Cancelled || s.cancel)
		s.result, s.status = d.result, model.Succeeded
		return s, legal
	}
	return s.unwanted(), s.status == model.Cancelled || !s.status.Final()
}

// given is the command when its device has given it back.
func (s tenure) given() tenure {
	s.status, s.returned, s.attempt = model.Queued, true, s.attempt-1
	if s.cancel {
		s.status = model.Cancelled
	}
	return s
}

// unwanted is the command when somebody has cancelled it.
func (s tenure) unwanted() tenure {
	switch s.status {
	case model.Queued:
		s.status = model.Cancelled
	case model.Claimed:
		s.cancel = true
	}
	return s
}

// refuses tells whether the refusal is right, and the state that came with it.
func (s tenure) refuses(d deed) bool {
	newest := s.token == d.token && !s.returned
	right := false
	switch d.code {
	case "claim_superseded":
		right = !newest
	case "claim_expired":
		right = newest && s.result == "" && (s.status == model.Queued || s.status == model.TimedOut)
	case "command_finished":
		right = s.status.Final() && (newest || d.kind == model.Cancel) &&
			(d.kind != model.SubmitResult || s.result != "" && s.result != d.result || s.result == "" && s.status == model.Cancelled && !s.cancel)
	}
	return right && s.status == d.status && s.attempt == d.attempt
}

// maybe is what a deed has done, if it has, whose answer nobody got.
func (s tenure) maybe(d deed) []tenure {
	if d.kind == model.Claim {
		if s.status != model.Queued {
			return nil
		}
		return []tenure{{status: model.Claimed, token: d.key, visible: d.visible, until: d.latest + d.lasts, attempt: s.attempt + 1}}
	}
	d.late, d.repeated = s.status != model.Claimed, false
	if next, legal := s.did(d); legal {
		if d.kind == model.Extend {
			next.until = d.latest + d.lasts
		}
		return []tenure{next}
	}
	return nil
}
