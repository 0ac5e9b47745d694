package queue

import (
	"errors"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// refused returns nil if the script made its transition. Otherwise it returns the refusal. The
// refusal contains the command's state if the reply does.
// The refusals of a login, a rate and a quota contain other values instead.
func refused(reply store.Reply, id string) error {
	err := refusal.Of(reply)
	var refused *fieldgate.Error
	raw := reply.String(2)
	if !errors.As(err, &refused) || withoutState[refused.Code] || raw == "" {
		return err
	}
	s, err := decodeState(raw)
	if err != nil {
		return err
	}
	if approval := s.approval(); approval != nil && refused.Code == fieldgate.CodeAlreadyDecided {
		refused.Approval = approval
		refused.Detail = fmt.Sprintf("This command was already %s by %s at %s.",
			approval.Decision, approval.DecidedBy, approval.DecidedAt.UTC().Format("15:04 UTC on 2 January 2006"))
	}
	return withState(refused, id, s.Status, s.Attempt)
}

// withoutState has the refusals whose value is not the command's state.
var withoutState = map[fieldgate.Code]bool{
	fieldgate.CodeUnauthorized: true, fieldgate.CodeUserCutOff: true, fieldgate.CodeRateLimited: true, fieldgate.CodeQuotaExceeded: true,
}

// withState adds the command's state to a refusal, so that the caller need not request the
// state.
func withState(refused *fieldgate.Error, id string, status Status, attempt int) error {
	refused.Command = &fieldgate.CommandState{ID: id, Status: string(status), Attempt: attempt}
	return refused
}
