package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// policyCommand has the commands on the policies of tenants.
type policyCommand struct {
	Show     showPolicyCommand     `cmd:"" help:"Print the policy of a tenant, and the change that waits."`
	Save     savePolicyCommand     `cmd:"" help:"Replace the policy of a tenant at once, also by a looser one."`
	Versions policyVersionsCommand `cmd:"" help:"List the versions of the policy of a tenant, the newest first."`
	Evaluate evaluateCommand       `cmd:"" help:"Print what a proposal would meet, and why."`
}

// policyFlags are the flags of each command on a policy.
type policyFlags struct {
	storeFlags

	Tenant            string `required:"" help:"The tenant as logs contain it, such as c.acme."`
	RecordKey         string `env:"FIELDGATE_RECORD_KEY" help:"The setting of the gateway: the key that authenticates the policy."`
	RecordKeyRequired string `env:"FIELDGATE_RECORD_KEY_REQUIRED" enum:"on,off" default:"on" help:"The setting of the gateway (on, off)."`
}

// policies returns the policies in a store.
func (c *policyFlags) policies(s *store.Store) *tenantpolicy.Policies {
	return tenantpolicy.New(tenantpolicy.Config{
		Store: s, RecordKey: []byte(c.RecordKey), RecordKeyRequired: c.RecordKeyRequired == "on", Logger: c.logger(),
	})
}

// policyRecord is a policy in the format of the contract, without the floor, which is a setting of the gateway.
type policyRecord struct {
	Tenant string `json:"tenant"`
	generated.PolicyVersion
	Pending *generated.PolicyVersion `json:"pending,omitempty"`
	Result  string                   `json:"result,omitempty"`
}

func (c *policyFlags) record(s tenantpolicy.State, result string) policyRecord {
	r := policyRecord{Tenant: c.Tenant, PolicyVersion: handlers.PolicyVersionRecord(s.Current), Result: result}
	if s.Pending != nil {
		pending := handlers.PolicyVersionRecord(*s.Pending)
		r.Pending = &pending
	}
	return r
}

// show prints a policy with its rules as JSON, as `policy save` reads them.
func (c *policyFlags) show(r policyRecord, rules policy.Document) error {
	text, err := json.MarshalIndent(rules, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding a policy: %w", err)
	}
	pending := ""
	if r.Pending != nil {
		pending = fmt.Sprintf("version %s by %s, which may loosen: %s", r.Pending.Version, r.Pending.ChangedBy, strings.Join(r.Pending.Loosens, ", "))
	}
	err = c.print(r, fields{
		{"tenant", r.Tenant}, {"version", r.Version}, {"changed by", r.ChangedBy}, {"changed at", at(r.ChangedAt.Time)},
		{"approved by", r.ApprovedBy}, {"loosens", strings.Join(r.Loosens, ", ")}, {"waits", pending}, {"result", r.Result},
	})
	if err == nil && !c.JSON {
		_, err = fmt.Fprintln(c.stdout, string(text))
	}
	return err
}

// showPolicyCommand prints the policy of a tenant.
type showPolicyCommand struct{ policyFlags }

// Run prints the policy.
func (c *showPolicyCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	return c.read(ctx, func(s *store.Store) error {
		state, err := c.policies(s).Get(ctx, c.Tenant)
		if err != nil {
			return err
		}
		return c.show(c.record(state, ""), state.Current.Document)
	})
}

// savePolicyCommand replaces the policy of a tenant. The change does not wait for an admin.
type savePolicyCommand struct {
	policyFlags

	File     string `arg:"" help:"File with the policy as JSON, as the contract has it; - for the standard input."`
	Replaces *int64 `placeholder:"VERSION" help:"Replace only this version. Default: whichever applies."`
	By       string `default:"operator" help:"Who does this: the version and the event contain it as the user."`
	DryRun   bool   `help:"Check the policy and print which rules may loosen the present one, and change nothing."`
}

// Run saves the policy and prints it.
func (c *savePolicyCommand) Run(ctx context.Context) error {
	if err := cmp.Or(checkTenant(c.Tenant), checkLength("--by", c.By, maxBy)); err != nil {
		return err
	}
	document, err := c.document()
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.read(ctx, func(s *store.Store) error { return c.check(ctx, s, document) })
	}
	replaces := int64(tenantpolicy.AnyVersion)
	if c.Replaces != nil {
		replaces = *c.Replaces
	}
	return c.change(ctx, func(s *store.Store) error {
		state, err := c.policies(s).Save(ctx, tenantpolicy.Author{
			Tenant: c.Tenant, UserID: c.By, RequestID: newRequestID(), Operator: true, EarliestCutOff: time.Now(),
		}, document, replaces)
		if err != nil {
			return err
		}
		return c.show(c.record(state, "saved"), state.Current.Document)
	})
}

// maxPolicy is more than the size of any policy, with spaces.
const maxPolicy = 1 << 20

// document reads and checks the policy of the command line.
func (c *savePolicyCommand) document() (d policy.Document, err error) {
	file := os.Stdin
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return d, fmt.Errorf("opening the policy: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	text, err := io.ReadAll(io.LimitReader(file, maxPolicy))
	if err != nil {
		return d, fmt.Errorf("reading the policy: %w", err)
	}
	if d, err = policy.Parse(text); err != nil {
		return d, err
	}
	_, err = d.Compile()
	return d, err
}

// check prints what saving the policy would do.
func (c *savePolicyCommand) check(ctx context.Context, s *store.Store, d policy.Document) error {
	state, err := c.policies(s).Get(ctx, c.Tenant)
	if err != nil {
		return err
	}
	var before *policy.Document
	if state.Current.Number > 0 {
		before = &state.Current.Document
	}
	would := tenantpolicy.Version{Number: state.Current.Number, Document: d, By: c.By, Loosens: d.Loosens(before)}
	return c.show(policyRecord{
		Tenant: c.Tenant, PolicyVersion: handlers.PolicyVersionRecord(would), Result: "would replace this version",
	}, d)
}

// policyVersionsCommand lists the versions of a policy.
type policyVersionsCommand struct{ policyFlags }

// Run lists the versions.
func (c *policyVersionsCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	return c.read(ctx, func(s *store.Store) error {
		policies := c.policies(s)
		all := store.All(func(page store.Page) ([]tenantpolicy.Version, string, error) {
			return policies.Versions(ctx, c.Tenant, page)
		})
		list := c.list("TENANT", "VERSION", "RULES", "CHANGED BY", "TIME", "APPROVED BY", "LOOSENS")
		for v, err := range all {
			if err != nil {
				return err
			}
			record := policyRecord{Tenant: c.Tenant, PolicyVersion: handlers.PolicyVersionRecord(v)}
			if err := list.add(record, c.Tenant, v.Number, len(v.Document.Rules), v.By, at(v.At), v.ApprovedBy, strings.Join(v.Loosens, ", ")); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// evaluateCommand prints what a proposal would meet.
type evaluateCommand struct {
	policyFlags

	Device     string `required:"" placeholder:"ID" help:"Id of the device, whose tags count."`
	Type       string `required:"" help:"Type of the command."`
	Parameters string `default:"{}" help:"Parameters of the command, as JSON."`
	Proposer   string `enum:"person,program" default:"person" help:"Kind of the proposer (person, program)."`
	Role       string `enum:"operator,approver,admin" default:"operator" help:"Role of the proposer (operator, approver, admin)."`
	Floor      string `name:"policy" env:"FIELDGATE_POLICY" help:"The setting of the gateway. Default: that of a gateway without the setting."`
}

// Run prints the outcome.
func (c *evaluateCommand) Run(ctx context.Context) error {
	if !json.Valid([]byte(c.Parameters)) {
		return errors.New("--parameters is not JSON")
	}
	floor := queue.DefaultPolicy
	if c.Floor != "" {
		var err error
		if floor, err = queue.ParsePolicy(c.Floor); err != nil {
			return fmt.Errorf("FIELDGATE_POLICY: %w", err)
		}
	}
	return c.reading(ctx, func(v services) error {
		device, err := v.devices.Get(ctx, c.Tenant, c.Device)
		if err != nil {
			return err
		}
		q := queue.New(queue.Config{Store: v.store, Policy: floor, Tenants: c.policies(v.store), Logger: c.logger()})
		found, err := q.Evaluate(ctx, queue.Evaluation{
			Tenant: c.Tenant, Type: c.Type, Parameters: json.RawMessage(c.Parameters), Tags: device.Tags,
			ProposerKind: c.Proposer, ProposerRole: c.Role,
		})
		if err != nil {
			return err
		}
		return c.print(handlers.PolicyEvaluationRecord(found), fields{
			{"effect", found.Effect}, {"rule", found.Rule}, {"version", found.Version}, {"conditions", conditionsOf(found)}, {"why", found.Why},
		})
	})
}

// conditionsOf returns the conditions of an approval as FIELDGATE_POLICY has them.
func conditionsOf(e queue.Evaluated) string {
	if e.Effect != policy.Review {
		return ""
	}
	return e.Needs.String()
}
