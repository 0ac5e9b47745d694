package queue

import (
	"context"
	"strconv"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// BreakGlass records that an admin has approved a command without the other users whom its rule needs.
type BreakGlass struct {
	UserID string
	Names  fieldgate.Names
	At     time.Time
	Reason string
	Review *GlassReview // nil until another user has reviewed it
}

// GlassReview is the review of a command that an admin has approved alone, by another user.
type GlassReview struct {
	UserID  string
	Names   fieldgate.Names
	At      time.Time
	Comment string
}

// ReviewBreakGlass records that the user has reviewed a command that an admin has approved alone. The
// reason of the decision is the comment. The first review stands. Refusals: session_not_found,
// command_not_found, also if no admin has approved the command alone, unauthorized for a user who was
// cut off, self_approval for the admin and the proposer, validation_failed without a comment.
func (q *Queue) ReviewBreakGlass(ctx context.Context, d Decision) (Command, error) {
	if fieldgate.IsBlank(d.Reason) {
		return Command{}, errCommentRequired
	}
	r, c, err := q.getRecord(ctx, d.Tenant, d.SessionID, d.CommandID)
	if err != nil {
		return Command{}, err
	}
	stored, err := decodeState(r.state)
	if err != nil {
		return Command{}, err
	}
	mark := q.withoutForgeries(r, stored).Glass
	if mark == nil {
		return Command{}, fieldgate.Refuse(fieldgate.CodeCommandNotFound, "There is no such command that an admin has approved alone.")
	}
	var forged int64
	if mark.Reviewed == 0 && stored.Glass != nil {
		forged = stored.Glass.Reviewed
	}
	review := *mark
	review.Reviewer, review.Reviewed, review.Comment = store.ActorUser(d.UserID), time.Now().UnixMilli(), d.Reason
	return q.runOnDecided(ctx, reviewGlassScript, c, d, d.Reason, !d.SoleUser,
		q.key.MAC(r.marked(stored.Digest, *mark)...), review.Reviewed, q.key.MAC(r.reviewed(stored.Digest, review)...), forged)
}

// newMark returns the mark of a user who approves the command alone now.
func (q *Queue) newMark(r record, s state, d Decision) glassState {
	mark := glassState{By: store.ActorUser(d.UserID), At: time.Now().UnixMilli(), Reason: d.Reason}
	mark.MAC = q.key.MAC(r.marked(s.Digest, mark)...)
	return mark
}

// marked returns the parts of a record that the mark of an admin who has approved alone has set.
func (r record) marked(digest string, g glassState) []string {
	return []string{"break glass", r.tenant, r.deviceID, r.id, digest, g.By, strconv.FormatInt(g.At, 10), g.Reason}
}

// reviewed returns the parts of a record that the review of such a mark has set. The review of one mark is never that
// of another, because they include its time.
func (r record) reviewed(digest string, g glassState) []string {
	return append([]string{"review", g.Reviewer, strconv.FormatInt(g.Reviewed, 10), g.Comment}, r.marked(digest, g)...)
}

// provenGlass returns the mark that an admin has approved the command alone, or nil. An approval that is one
// itself proves the mark, even if that was changed or removed. A review that no user has made is left out. Unlike a
// vote, it is not believed because the command has ended: that is when most are made. The decision of the state must be
// proven.
func (q *Queue) provenGlass(r record, s state) *glassState {
	var mark glassState
	if s.Glass != nil {
		mark = *s.Glass
	}
	switch a := s.Approval; {
	case a != nil && a.Glass:
		mark.By, mark.Name, mark.Email, mark.At, mark.Reason = a.By, a.Name, a.Email, a.At, a.Reason
	case s.Glass == nil || q.isForged(s, mark.MAC, r.marked(s.Digest, mark)):
		return nil
	}
	if mark.Reviewed != 0 && q.key.Accept(mark.ReviewMAC, r.reviewed(s.Digest, mark)...) != nil {
		mark.Reviewer, mark.ReviewerName, mark.ReviewerEmail, mark.Reviewed, mark.Comment = "", "", "", 0, ""
	}
	return &mark
}

// breakGlass returns the mark of a command that an admin has approved alone, or nil.
func (s state) breakGlass() *BreakGlass {
	g := s.Glass
	if g == nil {
		return nil
	}
	mark := &BreakGlass{
		UserID: store.ActorID(g.By), Names: fieldgate.Names{Name: g.Name, Email: g.Email}, At: store.TimeOf(g.At), Reason: g.Reason,
	}
	if g.Reviewed != 0 {
		mark.Review = &GlassReview{
			UserID: store.ActorID(g.Reviewer), Names: fieldgate.Names{Name: g.ReviewerName, Email: g.ReviewerEmail},
			At: store.TimeOf(g.Reviewed), Comment: g.Comment,
		}
	}
	return mark
}
