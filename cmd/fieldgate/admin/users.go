package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/store"
)

// usersCommand has the commands on users.
type usersCommand struct {
	CutOff  cutOffCommand  `cmd:"" help:"Refuse the tokens of a user that were issued before now, and close the user's sockets."`
	CutOffs cutOffsCommand `cmd:"" help:"List who is cut off, the newest first."`
}

// cutOffCommand cuts a user or a session of the token issuer off. Users whom the issuer still lets
// in sign in again, so the operator first ends the access there.
type cutOffCommand struct {
	storeFlags

	Tenant  string  `required:"" help:"The tenant as logs contain it, such as c.acme."`
	User    string  `required:"" placeholder:"ID" help:"Cut off this user, the 'sub' of a token."`
	Session *string `placeholder:"ID" help:"Cut off only this sign-in of the user at the token issuer, the 'session_id' of a token."`
	Reason  string  `help:"The reason, for the list."`
	By      string  `default:"operator" help:"Who does this: the event and the list contain it as the user."`
	DryRun  bool    `help:"Print who would be cut off, and change nothing."`

	MaxLifetime time.Duration `name:"jwt-max-lifetime" env:"FIELDGATE_JWT_MAX_LIFETIME" default:"168h" help:"The setting of the gateway: the cut-off is kept for that long, and at least for 168h."`
}

// Validate refuses an empty session, which an empty variable of the shell would pass: it would cut all
// sessions off.
func (c *cutOffCommand) Validate() error {
	if c.Session != nil && *c.Session == "" {
		return errors.New("--session is empty")
	}
	return nil
}

// session returns the session of the command line, or "" for all of them.
func (c *cutOffCommand) session() string {
	if c.Session == nil {
		return ""
	}
	return *c.Session
}

// cutOffRecord is a cut-off in the format of the contract, with its tenant.
type cutOffRecord struct {
	Tenant string `json:"tenant"`
	generated.CutOff
	RequestID string `json:"requestId,omitempty"` // the event contains it; empty in a dry run
	Result    string `json:"result"`
}

// Run cuts off and prints what it has done.
func (c *cutOffCommand) Run(ctx context.Context) error {
	if err := cmp.Or(checkTenant(c.Tenant), checkLength("--reason", c.Reason, maxReason), checkLength("--by", c.By, maxBy)); err != nil {
		return err
	}
	request := c.request()
	if c.DryRun {
		would := customer.CutOff{UserID: c.User, SessionID: c.session(), By: c.By, Reason: c.Reason}
		return c.show(cutOffRecord{Tenant: c.Tenant, CutOff: handlers.CutOffRecord(would), Result: "would be cut off"}, request.Check())
	}
	return c.change(ctx, func(s *store.Store) error {
		done, err := customer.NewCutOffs(customer.CutOffConfig{Store: s, MaxLifetime: c.MaxLifetime}).CutOff(ctx, request)
		return c.show(cutOffRecord{c.Tenant, handlers.CutOffRecord(done), request.RequestID, "cut off"}, err)
	})
}

func (c *cutOffCommand) request() customer.CutOffRequest {
	return customer.CutOffRequest{
		Tenant: c.Tenant, UserID: c.User, SessionID: c.session(), Reason: c.Reason,
		By: c.By, RequestID: newRequestID(), Operator: true,
	}
}

// The maximum lengths of the texts of a cut-off in characters, which are those of the contract.
const (
	maxReason = 1024
	maxBy     = 255
)

func checkLength(flag, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit {
		return fmt.Errorf("%s has more than %d characters", flag, limit)
	}
	return nil
}

// show prints a cut-off, or returns why it was refused.
func (c *cutOffCommand) show(r cutOffRecord, refused error) error {
	if refused != nil {
		return refused
	}
	return c.print(r, fields{
		{"tenant", r.Tenant}, {"user", r.UserID}, {"session", r.SessionID}, {"time", at(r.CutOffAt.Time)}, {"by", r.CutOffBy},
		{"reason", r.Reason}, {"request id", r.RequestID}, {"result", r.Result},
	})
}

// cutOffsCommand lists the cut-offs of a tenant.
type cutOffsCommand struct {
	storeFlags

	Tenant string `required:"" help:"The tenant as logs contain it, such as c.acme."`
}

// Run lists the cut-offs.
func (c *cutOffsCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	return c.read(ctx, func(s *store.Store) error {
		cutOffs := customer.NewCutOffs(customer.CutOffConfig{Store: s})
		all := store.All(func(page store.Page) ([]customer.CutOff, string, error) { return cutOffs.List(ctx, c.Tenant, page) })
		list := c.list("TENANT", "USER", "SESSION", "TIME", "BY", "REASON")
		for cutOff, err := range all {
			if err != nil {
				return err
			}
			record := struct {
				Tenant string `json:"tenant"`
				generated.CutOff
			}{c.Tenant, handlers.CutOffRecord(cutOff)}
			if err := list.add(record, c.Tenant, cutOff.UserID, cutOff.SessionID, at(cutOff.At), cutOff.By, cutOff.Reason); err != nil {
				return err
			}
		}
		return list.end()
	})
}
