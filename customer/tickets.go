package customer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/credential"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// scripts contains the Lua scripts.
//
//go:embed lua/*.lua
var scripts embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("customer", scripts)

var (
	issueTicketScript  = Scripts.Script("lua/issue_ticket.lua")
	redeemTicketScript = Scripts.Script("lua/redeem_ticket.lua")
)

// A ticket is "fgt_" and a credential. The prefix distinguishes a ticket from an access
// token.
const (
	ticketPrefix = "fgt_"
	ticketLen    = len(ticketPrefix) + credential.Length
)

var (
	errNoTicket      = &fault{fieldgate.ReasonMalformed, "the ticket is malformed"}
	errTicketUnknown = &fault{fieldgate.ReasonUnknown, "the ticket is unknown, expired or already used"}
	errTicketOrigin  = &fault{fieldgate.ReasonWrongOrigin, "the ticket was issued for another origin"}
	errTicketRecord  = &fault{fieldgate.ReasonUnreadable, "the ticket's record cannot be read"}
)

// TicketConfig configures Tickets.
type TicketConfig struct {
	// Store stores the tickets for all instances.
	Store *store.Store

	// TTL is the lifetime of a ticket, by the store's clock. Default: 30 s.
	TTL time.Duration
}

// Tickets issues and redeems tickets. A ticket authenticates a socket that a browser
// opens, because a page cannot set headers in the handshake. The user gets the ticket
// with an access token, and the page sends it in the URL of the socket. URLs are often
// logged, so a ticket expires soon, can be used once, and is bound to one origin. Tickets
// is safe for concurrent use.
type Tickets struct {
	store *store.Store
	mint  credential.Mint
	ttl   time.Duration
}

// NewTickets returns Tickets with the given configuration.
func NewTickets(cfg TicketConfig) *Tickets {
	cfg.TTL = cmp.Or(cfg.TTL, 30*time.Second)
	return &Tickets{store: cfg.Store, mint: credential.NewMint(cfg.Store.HashKey(), "ticket"), ttl: cfg.TTL}
}

// Ticket is a single-use credential for one socket.
type Ticket struct {
	Token     string // the ticket itself; the store has only its hash
	ExpiresAt time.Time
}

// IsTicket reports whether token has the form of a ticket. It does not check whether the
// ticket is valid.
func IsTicket(token string) bool { return strings.HasPrefix(token, ticketPrefix) }

// Issued reports whether this installation issued the ticket, without a call to the store. It
// returns false for tickets of version 1.0. It does not check whether the ticket is valid.
func (t *Tickets) Issued(token string) bool {
	text, found := strings.CutPrefix(token, ticketPrefix)
	return found && t.mint.Recognizes("", text)
}

// Issue returns a new ticket for a principal. Only pages of the given origin can open a
// socket with the ticket. The empty origin is for clients that are not browsers. The
// ticket expires no later than the principal's token. Errors: unauthorized if that token
// has expired by the store's clock, store_unavailable in an outage.
func (t *Tickets) Issue(ctx context.Context, principal Principal, origin string) (Ticket, error) {
	content, err := json.Marshal(recordOf(principal, origin))
	if err != nil {
		return Ticket{}, fmt.Errorf("encoding a ticket: %w", err)
	}
	token := ticketPrefix + t.mint.New("")
	reply, err := t.store.Run(ctx, issueTicketScript, ticketKeys(token),
		content, t.ttl.Milliseconds(), principal.ExpiresAt.UnixMilli())
	if err != nil {
		return Ticket{}, fmt.Errorf("issuing a ticket: %w", err)
	}
	if err := refused(reply, errExpired); err != nil {
		return Ticket{}, err
	}
	return Ticket{Token: token, ExpiresAt: time.UnixMilli(reply.Int(2)).UTC()}, nil
}

// Redeem consumes a ticket and returns the principal to whom the ticket was issued. For
// every invalid ticket the error is unauthorized, as for an access token. A ticket from
// the wrong origin is refused, but consumed as well. In an outage the error is
// store_unavailable, and the ticket may or may not have been consumed.
func (t *Tickets) Redeem(ctx context.Context, token, origin string) (Principal, error) {
	if !IsTicket(token) || len(token) != ticketLen { // saves a call to the store
		return Principal{}, refuse(errNoTicket)
	}
	reply, err := t.store.Run(ctx, redeemTicketScript, ticketKeys(token))
	if err != nil {
		return Principal{}, fmt.Errorf("redeeming a ticket: %w", err)
	}
	if err := refused(reply, errTicketUnknown); err != nil {
		return Principal{}, err
	}
	var record ticketRecord
	if err := json.Unmarshal([]byte(reply.String(2)), &record); err != nil {
		return Principal{}, refuse(errTicketRecord)
	}
	if record.Origin != origin {
		return Principal{}, refuse(errTicketOrigin)
	}
	return record.principal()
}

// refused returns nil if the script succeeded. Otherwise it returns the refusal in the
// reply, with cause for the log.
func refused(reply store.Reply, cause *fault) error {
	err := refusal.Of(reply)
	var refused *fieldgate.Error
	if errors.As(err, &refused) {
		refused.Reason, refused.Cause = cause.reason, cause
	}
	return err
}

// ticketKeys returns the keys of both ticket scripts. The key contains a plain hash of
// the ticket, which is safe because tickets have too many random bits to be guessed.
func ticketKeys(token string) []string {
	sum := sha256.Sum256([]byte(token))
	return []string{store.TicketKey(hex.EncodeToString(sum[:]))}
}

// ticketRecord is the stored form of a ticket.
type ticketRecord struct {
	Origin    string `json:"origin"`
	Tenant    string `json:"tenant"`
	UserID    string `json:"user"`
	Role      string `json:"role"`
	SoleUser  bool   `json:"soleUser,omitempty"`
	IssuedAt  int64  `json:"issuedAt,omitempty"` // Unix milliseconds; zero in the record of an earlier version
	ExpiresAt int64  `json:"expiresAt"`          // Unix milliseconds
	SessionID string `json:"session,omitempty"`
	Email     string `json:"email,omitempty"`
	Name      string `json:"name,omitempty"`
	Assurance string `json:"aal,omitempty"`
	ClientID  string `json:"client,omitempty"`

	SignedInAt int64 `json:"signedInAt,omitempty"` // Unix seconds; zero if it is not known
}

func recordOf(p Principal, origin string) ticketRecord {
	r := ticketRecord{
		Origin: origin, Tenant: p.Tenant, UserID: p.UserID, Role: p.Role.String(), SoleUser: p.SoleUser,
		IssuedAt: p.IssuedAt.UnixMilli(), ExpiresAt: p.ExpiresAt.UnixMilli(), SessionID: p.SessionID,
		Email: p.Email, Name: p.Name, Assurance: p.Assurance, ClientID: p.ClientID,
	}
	if !p.SignedInAt.IsZero() {
		r.SignedInAt = p.SignedInAt.Unix()
	}
	return r
}

func (r ticketRecord) principal() (Principal, error) {
	role, err := ParseRole(r.Role)
	if err != nil {
		return Principal{}, refuse(errTicketRecord)
	}
	return Principal{
		Tenant: r.Tenant, UserID: r.UserID, Role: role, SoleUser: r.SoleUser,
		IssuedAt: store.TimeOf(r.IssuedAt), ExpiresAt: time.UnixMilli(r.ExpiresAt).UTC(), SessionID: r.SessionID,
		Email: r.Email, Name: r.Name, Assurance: r.Assurance, ClientID: r.ClientID, SignedInAt: store.TimeOf(1000 * r.SignedInAt),
	}, nil
}
