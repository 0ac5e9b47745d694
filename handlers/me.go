package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
)

// GetMe returns the user of the token of the call.
func (s *Server) GetMe(ctx context.Context, _ generated.GetMeRequestObject) (generated.GetMeResponseObject, error) {
	return generated.GetMe200JSONResponse(meOf(userPrincipal(ctx))), nil
}

func meOf(p customer.Principal) generated.Me {
	kind := generated.UserKindPerson
	if p.IsProgram() {
		kind = generated.UserKindProgram
	}
	return generated.Me{
		UserID: p.UserID, Email: p.Email, Name: p.Name, Kind: kind, Tenant: p.Tenant,
		Role: generated.Role(p.Role.String()), Aal: p.Assurance, ExpiresAt: fieldgate.At(p.ExpiresAt),
	}
}
