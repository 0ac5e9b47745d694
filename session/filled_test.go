package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSession_EveryFieldIsRead(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		notEnded := map[string]string{"ClosedAt": "the session is active"}
		opened := b.open()
		storetest.RequireFilled(b.t, opened, notEnded)
		storetest.RequireFilled(b.t, b.get(opened.ID), notEnded)

		storetest.RequireFilled(b.t, b.close(opened.ID), nil)
		storetest.RequireFilled(b.t, b.get(opened.ID), nil)
		listed, _, err := b.sessions.List(b.t.Context(), b.device.Tenant, session.Filter{}, store.Page{Limit: 1})
		require.NoError(b.t, err)
		storetest.RequireFilled(b.t, listed[0], nil)

		expired := b.open()
		b.expire(expired.ID)
		storetest.RequireFilled(b.t, b.get(expired.ID), nil)
	})
}

func TestEvents_EveryFieldIsRead(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		proposed := b.propose(opened.ID, "reboot")
		_, err := b.queue.Decide(b.t.Context(), queue.Decision{
			Tenant: b.device.Tenant, SessionID: opened.ID, CommandID: proposed.ID, UserID: "u2", Names: storetest.NamesOf("u2"),
			RequestID: "r-decide", Approved: true, Reason: "Go ahead.",
		})
		require.NoError(b.t, err)
		events := b.events(opened.ID)
		require.Equal(b.t, []string{"session.opened", "command.proposed", "command.approved"}, typesOf(events))
		storetest.RequireFilled(b.t, events[2], nil)
		storetest.RequireFilled(b.t, events[0], map[string]string{
			"CommandID": "the event belongs to no command", "Traceparent": "it has only that of a command",
		})
	})
}
