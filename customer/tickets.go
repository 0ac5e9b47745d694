package customer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var (
	issueTicketScript  = store.NewScript(files, "lua/issue_ticket.lua")
	redeemTicketScript = store.NewScript(files, "lua/redeem_ticket.lua")
)

// A ticket is "fgt_" and 256 random bits. No access token looks like one.
const (
	ticketPrefix = "fgt_"
	ticketLen    = len(ticketPrefix) + 43
)

var (
	errNoTicket      = errors.New("the ticket is malformed")
	errTicketUnknown = errors.New("the ticket is unknown, expired or used up")
	errTicketOrigin  = errors.New("the ticket was issued for another origin")
	errTicketRecord  = errors.New("the ticket's record cannot be read")
)

// TicketConfig says how tickets live.
type TicketConfig struct {
	// Store keeps the tickets, for all instances.
	Store *store.Store

	// TTL is how long a ticket is good, by the store's clock. Default: 30 s.
	TTL time.Duration
}

// Tickets open sockets for browsers, where a page can set no header: a person
// gets a ticket with an access token and shows it in the address of the socket.
// Addresses end up in logs, so a ticket is good once, for a moment, and for the
// origin it was issued for. It is safe for concurrent use.
type Tickets struct {
	store *store.Store
	ttl   time.Duration
}

// NewTickets issues and redeems tickets over a store.
func NewTickets(cfg TicketConfig) *Tickets {
	setDefault(&cfg.TTL, 30*time.Second)
	return &Tickets{store: cfg.Store, ttl: cfg.TTL}
}

// Ticket opens one socket.
type Ticket struct {
	Token     string // the ticket itself; it is kept nowhere
	ExpiresAt time.Time
}

// IsTicket tells a ticket from an access token. It promises nothing about the
// ticket.
func IsTicket(token string) bool { return strings.HasPrefix(token, ticketPrefix) }

// Issue gives a principal a ticket for sockets that pages of an origin open; an
// empty origin stands for what is no browser. It does not outlive the principal's
// token. The code is unauthorized where that has ended by the store's clock, and
// store_unavailable in an outage.
func (t *Tickets) Issue(ctx context.Context, principal Principal, origin string) (Ticket, error) {
	content, err := json.Marshal(recordOf(principal, origin))
	if err != nil {
		return Ticket{}, fmt.Errorf("writing a ticket: %w", err)
	}
	token := newTicket()
	reply, err := t.store.Run(ctx, issueTicketScript, ticketKeys(token),
		content, t.ttl.Milliseconds(), principal.ExpiresAt.UnixMilli())
	if err != nil {
		return Ticket{}, fmt.Errorf("issuing a ticket: %w", err)
	}
	if !reply.OK() {
		return Ticket{}, refuse(errExpired)
	}
	return Ticket{Token: token, ExpiresAt: time.UnixMilli(reply.Int(1)).UTC()}, nil
}

// Redeem uses a ticket up and gives the principal that it was issued to. The code
// is unauthorized, as for an access token, whatever is wrong with the ticket; a
// ticket shown from another origin is used up all the same. In an outage the code
// is store_unavailable, and the ticket may be used up.
func (t *Tickets) Redeem(ctx context.Context, token, origin string) (Principal, error) {
	if !IsTicket(token) || len(token) != ticketLen { // not worth a question to the store
		return Principal{}, refuse(errNoTicket)
	}
	reply, err := t.store.Run(ctx, redeemTicketScript, ticketKeys(token))
	if err != nil {
		return Principal{}, fmt.Errorf("redeeming a ticket: %w", err)
	}
	if !reply.OK() {
		return Principal{}, refuse(errTicketUnknown)
	}
	var record ticketRecord
	if err := json.Unmarshal([]byte(reply.String(1)), &record); err != nil {
		return Principal{}, refuse(errTicketRecord)
	}
	if record.Origin != origin {
		return Principal{}, refuse(errTicketOrigin)
	}
	return record.principal()
}

func newTicket() string {
	var random [32]byte
	rand.Read(random[:]) // never fails: it would end the process instead
	return ticketPrefix + base64.RawURLEncoding.EncodeToString(random[:])
}

// ticketKeys are the keys of both scripts. A ticket is random enough that nobody
// can try them all, so a plain hash keeps it secret.
func ticketKeys(token string) []string {
	sum := sha256.Sum256([]byte(token))
	return []string{store.TicketKey(hex.EncodeToString(sum[:]))}
}

// ticketRecord is what the store keeps of a ticket.
type ticketRecord struct {
	Origin    string `json:"origin"`
	Tenant    string `json:"tenant"`
	UserID    string `json:"user"`
	Role      string `json:"role"`
	SoleUser  bool   `json:"soleUser,omitempty"`
	ExpiresAt int64  `json:"expiresAt"` // Unix ms
	SessionID string `json:"session,omitempty"`
}

func recordOf(p Principal, origin string) ticketRecord {
	return ticketRecord{
		Origin: origin, Tenant: p.Tenant, UserID: p.UserID, Role: p.Role.String(), SoleUser: p.SoleUser,
		ExpiresAt: p.ExpiresAt.UnixMilli(), SessionID: p.SessionID,
	}
}

func (r ticketRecord) principal() (Principal, error) {
	role, err := ParseRole(r.Role)
	if err != nil {
		return Principal{}, refuse(errTicketRecord)
	}
	return Principal{
		Tenant: r.Tenant, UserID: r.UserID, Role: role, SoleUser: r.SoleUser,
		ExpiresAt: time.UnixMilli(r.ExpiresAt).UTC(), SessionID: r.SessionID,
	}, nil
}
