package fieldgate

import (
	"context"
	"iter"
)

// CreatePasskeyOptions returns the options with which a browser creates a passkey of the caller. They are
// valid for five minutes, and replace earlier ones.
func (c *CustomerClient) CreatePasskeyOptions(ctx context.Context) (PasskeyOptions, error) {
	return decode[PasskeyOptions](c.requester.createPasskeyOptions(ctx))
}

// RegisterPasskey registers the passkey that a browser has created. Each options can be used once.
func (c *CustomerClient) RegisterPasskey(ctx context.Context, request RegisterPasskeyRequest) (Passkey, error) {
	return decode[Passkey](c.requester.registerPasskey(ctx, request))
}

// Passkeys returns a page of the passkeys of the caller, the oldest first.
func (c *CustomerClient) Passkeys(ctx context.Context, params ListPasskeysParams) (PasskeyList, error) {
	return decode[PasskeyList](c.requester.listPasskeys(ctx, params))
}

// AllPasskeys returns the passkeys of the caller, with one request per page. If a request fails, the error
// is the last element.
func (c *CustomerClient) AllPasskeys(ctx context.Context, params ListPasskeysParams) iter.Seq2[Passkey, error] {
	return allPages(params.Cursor, func(cursor string) ([]Passkey, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Passkeys(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// DeletePasskey deletes a passkey of the caller. What it has signed stays valid.
func (c *CustomerClient) DeletePasskey(ctx context.Context, passkeyID string) error {
	return check(c.requester.deletePasskey(ctx, passkeyID))
}

// Roster returns all versions of the roster of the tenant, the oldest first. [ParseRoster] verifies their
// JSON.
func (c *CustomerClient) Roster(ctx context.Context) (RosterChain, error) {
	return decode[RosterChain](c.requester.getRoster(ctx))
}

// SetRoster adds a version to the roster of the tenant, and returns all. If another version is the next
// one, the code is [CodePolicyConflict].
func (c *CustomerClient) SetRoster(ctx context.Context, request SetRosterRequest) (RosterChain, error) {
	return decode[RosterChain](c.requester.setRoster(ctx, request))
}
