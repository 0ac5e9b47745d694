package handlers

import (
	"cmp"
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/receipt"
)

// CreatePasskeyOptions returns what a browser needs to create a passkey.
func (s *Server) CreatePasskeyOptions(ctx context.Context, _ generated.CreatePasskeyOptionsRequestObject) (generated.CreatePasskeyOptionsResponseObject, error) {
	p := userPrincipal(ctx)
	if err := s.approvals.CheckKeyChange(p); err != nil {
		return nil, err
	}
	options, err := s.passkeys.Options(ctx, approverOf(ctx))
	if err != nil {
		return nil, err
	}
	return generated.CreatePasskeyOptions200JSONResponse(passkeyOptionsOf(options, p)), nil
}

// RegisterPasskey registers the passkey that a browser has created.
func (s *Server) RegisterPasskey(ctx context.Context, r generated.RegisterPasskeyRequestObject) (generated.RegisterPasskeyResponseObject, error) {
	if err := s.approvals.CheckKeyChange(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	created, err := s.passkeys.Register(ctx, approverOf(ctx), r.Body.Name, passkeyRegistrationFrom(r.Body.Credential))
	if err != nil {
		return nil, err
	}
	return registeredPasskeyResponse(created), nil
}

// ListPasskeys lists the passkeys of the caller.
func (s *Server) ListPasskeys(ctx context.Context, r generated.ListPasskeysRequestObject) (generated.ListPasskeysResponseObject, error) {
	p := userPrincipal(ctx)
	list, next, err := s.passkeys.List(ctx, p.Tenant, p.UserID, pageFrom(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListPasskeys200JSONResponse(passkeyListOf(list, next)), nil
}

// DeletePasskey deletes a passkey of the caller.
func (s *Server) DeletePasskey(ctx context.Context, r generated.DeletePasskeyRequestObject) (generated.DeletePasskeyResponseObject, error) {
	if err := s.passkeys.Delete(ctx, approverOf(ctx), r.PasskeyID); err != nil {
		return nil, err
	}
	return generated.DeletePasskey204Response{}, nil
}

// GetRoster returns the versions of the roster of the tenant.
func (s *Server) GetRoster(ctx context.Context, _ generated.GetRosterRequestObject) (generated.GetRosterResponseObject, error) {
	versions, err := s.rosters.Get(ctx, userPrincipal(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return generated.GetRoster200JSONResponse(rosterOf(versions)), nil
}

// SetRoster adds a version to the roster of the tenant.
func (s *Server) SetRoster(ctx context.Context, r generated.SetRosterRequestObject) (generated.SetRosterResponseObject, error) {
	if err := s.approvals.CheckKeyChange(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	versions, err := s.rosters.Save(ctx, approverOf(ctx), rosterVersionFrom(*r.Body))
	if err != nil {
		return nil, err
	}
	return generated.SetRoster200JSONResponse(rosterOf(versions)), nil
}

// GetDeviceTrust returns what the calling device verifies receipts with.
func (s *Server) GetDeviceTrust(ctx context.Context, _ generated.GetDeviceTrustRequestObject) (generated.GetDeviceTrustResponseObject, error) {
	versions, err := s.rosters.Get(ctx, callingDevice(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return deviceTrustResponse(s.receipts.Keys(), versions), nil
}

func deviceTrustResponse(keys []receipt.PublicKey, versions []passkey.Version) generated.GetDeviceTrust200JSONResponse {
	return generated.GetDeviceTrust200JSONResponse{Keys: signingKeysOf(keys), Roster: rosterOf(versions)}
}

// approverOf returns the caller as the author of a change of passkeys.
func approverOf(ctx context.Context) approver.User {
	p := userPrincipal(ctx)
	return approver.User{
		Tenant: p.Tenant, UserID: p.UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		AuthSessionID: p.SessionID, EarliestCutOff: p.EarliestCutOff(),
	}
}

// passkeyType is the type of every passkey in Web Authentication.
const passkeyType = string(generated.PasskeyTypePublicKey)

func passkeyOptionsOf(o approver.Options, p customer.Principal) generated.PasskeyOptions {
	name := cmp.Or(p.Email, p.UserID)
	return generated.PasskeyOptions{
		Rp:        generated.PasskeyRelyingParty{ID: o.RelyingPartyID, Name: o.RelyingPartyID},
		User:      generated.PasskeyUser{ID: o.UserHandle, Name: name, DisplayName: cmp.Or(p.Name, name)},
		Challenge: o.Challenge, Timeout: int(o.TTL.Milliseconds()),
		PubKeyCredParams: convert(passkey.Algorithms, func(algorithm int) generated.PasskeyParameter {
			return generated.PasskeyParameter{Type: passkeyType, Alg: algorithm}
		}),
		ExcludeCredentials: convert(o.Existing, func(id string) generated.PasskeyDescriptor {
			return generated.PasskeyDescriptor{Type: passkeyType, ID: id}
		}),
		AuthenticatorSelection: generated.PasskeySelection{ResidentKey: generated.PasskeySelectionResidentKeyPreferred, UserVerification: generated.PasskeySelectionUserVerificationRequired},
		Attestation:            generated.PasskeyOptionsAttestationNone,
	}
}

func passkeyRegistrationFrom(c generated.PasskeyRegistration) passkey.Registration {
	return passkey.Registration{
		CredentialID: c.ID, ClientDataJSON: c.Response.ClientDataJSON, AttestationObject: c.Response.AttestationObject,
	}
}

// assertionFrom converts the assertion of a request. It returns nil if there is none.
func assertionFrom(a *generated.PasskeyAssertion) *passkey.Assertion {
	if a == nil {
		return nil
	}
	assertion := signatureFrom(*a)
	return &assertion
}

func signatureFrom(a generated.PasskeyAssertion) passkey.Assertion {
	return passkey.Assertion{
		CredentialID: a.ID, AuthenticatorData: a.Response.AuthenticatorData, ClientDataJSON: a.Response.ClientDataJSON,
		Signature: a.Response.Signature,
	}
}

func rosterVersionFrom(r generated.SetRosterRequest) passkey.Version {
	return passkey.Version{Document: r.Document, Signatures: convert(r.Signatures, signatureFrom)}
}

func registeredPasskeyResponse(k approver.Passkey) generated.RegisterPasskey201JSONResponse {
	return generated.RegisterPasskey201JSONResponse{
		Body:    passkeyOf(k),
		Headers: generated.RegisterPasskey201ResponseHeaders{Location: "/api/v1/customer/passkeys/" + k.ID},
	}
}

func passkeyListOf(list []approver.Passkey, next string) generated.PasskeyList {
	return generated.PasskeyList{Items: convert(list, passkeyOf), NextCursor: next}
}

func passkeyOf(k approver.Passkey) generated.Passkey {
	return generated.Passkey{
		ID: k.ID, Name: k.Name, CreatedAt: fieldgate.At(k.CreatedAt), LastUsedAt: fieldgate.At(k.LastUsedAt), PublicKey: passkeyKeyOf(k.Key),
	}
}

func passkeyKeyOf(k passkey.Key) generated.PasskeyKey {
	return generated.PasskeyKey{
		Alg: generated.PasskeyKeyAlg(k.Algorithm), Crv: generated.PasskeyKeyCrv(k.Curve), Kid: k.ID,
		Kty: generated.PasskeyKeyKty(k.Type), X: k.X, Y: k.Y,
	}
}

func rosterOf(versions []passkey.Version) generated.RosterChain {
	return generated.RosterChain{Versions: convert(versions, rosterVersionOf)}
}

func rosterVersionOf(v passkey.Version) generated.RosterVersion {
	return generated.RosterVersion{Document: v.Document, Signatures: convert(v.Signatures, keptAssertionOf)}
}

func keptAssertionOf(a passkey.Assertion) generated.Assertion {
	return generated.Assertion{
		AuthenticatorData: a.AuthenticatorData, ClientDataJSON: a.ClientDataJSON, CredentialID: a.CredentialID, Signature: a.Signature,
	}
}
