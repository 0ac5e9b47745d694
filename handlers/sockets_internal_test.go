package handlers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestRefresh_FindsCutOffThatIsMadeMeanwhile cuts the session of the new token off after the token was
// verified, and before the socket has it.
func TestRefresh_FindsCutOffThatIsMadeMeanwhile(t *testing.T) {
	t.Parallel()
	cutOffs := customer.NewCutOffs(customer.CutOffConfig{Store: storetest.Redis(t)})
	old := customer.Principal{Tenant: storetest.Tenant(), UserID: "mallory", SessionID: "s-phone", IssuedAt: time.Now()}
	renewed := old
	renewed.SessionID = "s-laptop"
	s := &Server{cutOffs: cutOffs, verify: func(ctx context.Context, _ string) (customer.Principal, error) {
		_, err := cutOffs.CutOff(ctx, customer.CutOffRequest{
			Tenant: old.Tenant, UserID: "mallory", SessionID: "s-laptop", By: "alice",
		})
		return renewed, err
	}}
	user := new(socketUser)
	user.Store(&old)
	_, err := s.refresh(t.Context(), nil, user, refreshFrame{Token: "token"})
	require.Equal(t, fieldgate.ReasonCutOff, fieldgate.ReasonOf(err))
	require.Equal(t, "s-phone", user.Load().SessionID, "the socket continues with a token that was refused")
}
