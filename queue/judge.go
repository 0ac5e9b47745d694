package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// judgement holds the requirements of the floor and of the tenant for a command together.
type judgement struct {
	policy.Outcome
	version string // of the policy that decides
	tenant  int64  // version of the tenant's policy; 0 if it has none
}

// mode returns the mode of the command.
func (j judgement) mode() Mode { return Mode(j.Effect) }

// policyOf returns the policy of a tenant. The error is store_unavailable if it is not known.
func (q *Queue) policyOf(ctx context.Context, tenant string) (tenantpolicy.View, error) {
	if q.cfg.Tenants == nil {
		return tenantpolicy.View{}, nil
	}
	return q.cfg.Tenants.Of(ctx, tenant)
}

// expirePolicy expires what is known of a tenant's policy, so that its next use reads the store.
func (q *Queue) expirePolicy(tenant string) {
	if q.cfg.Tenants != nil {
		q.cfg.Tenants.Expire(tenant)
	}
}

// floorFor returns what the policy of the installation requires of a command of a type.
func (q *Queue) floorFor(commandType string) judgement {
	rule := q.cfg.Policy.ruleOf(commandType)
	return judgement{
		Outcome: policy.Outcome{Effect: policy.Effect(rule.Mode), Rule: rule.Pattern, Needs: rule.Needs}, version: q.policyVersion,
	}
}

// judge returns what is required of a command. The rule of the tenant decides unless that of the floor
// has a stricter mode.
func (q *Queue) judge(view tenantpolicy.View, f policy.Facts) judgement {
	j := q.floorFor(f.Type)
	if view.Number == 0 {
		return j
	}
	own := view.Judge(f)
	j.tenant, j.Outcome = view.Number, policy.Stricter(own, j.Outcome)
	if j.Effect == own.Effect {
		j.version = strconv.FormatInt(view.Number, 10)
	}
	return j
}

// Floor returns the policy of the installation.
func (q *Queue) Floor() Policy { return q.cfg.Policy }

// Evaluation asks what a proposal would meet.
type Evaluation struct {
	Tenant       string
	Type         string
	Parameters   json.RawMessage
	Tags         map[string]string // of the device
	ProposerKind string            // policy.Person or policy.Program
	ProposerRole string            // by its name in tokens
}

// Evaluated holds the requirements of a proposal, and the version of the policy that decides.
type Evaluated struct {
	policy.Outcome
	Version string
	Why     string // sentences for the user
}

// Evaluate returns what a proposal would meet now.
func (q *Queue) Evaluate(ctx context.Context, e Evaluation) (Evaluated, error) {
	view, err := q.policyOf(ctx, e.Tenant)
	if err != nil {
		return Evaluated{}, err
	}
	facts := policy.Facts{
		Type: e.Type, Parameters: e.Parameters, Tags: e.Tags, ProposerKind: e.ProposerKind, ProposerRole: e.ProposerRole, At: time.Now(),
	}
	by := q.judge(view, facts)
	_, why := view.Explain(facts)
	if by.version == q.policyVersion {
		why += fmt.Sprintf(" The policy of the installation decides, with its rule %q: %s.", by.Rule, by.Effect)
	}
	return Evaluated{Outcome: by.Outcome, Version: by.version, Why: why}, nil
}

// proposedFacts returns the facts of a proposal for a device.
func (p Proposal) proposedFacts(device identity, at time.Time) policy.Facts {
	return policy.Facts{
		Type: p.Type, Parameters: p.Parameters, Tags: device.tags, ProposerKind: p.proposer().Kind, ProposerRole: p.Role,
		At: at, Partial: device.encoded == nil,
	}
}

// judgeCommand returns what is required of a stored command at a time. The facts are those of its
// statement: what its approvers have seen. Each claim calls it, and decodes them only for a tenant's policy.
func (q *Queue) judgeCommand(view tenantpolicy.View, c Command, at time.Time) (judgement, error) {
	if view.Number == 0 {
		return q.floorFor(c.Type), nil
	}
	facts, err := c.facts(at)
	if err != nil {
		return judgement{}, err
	}
	return q.judge(view, facts), nil
}

// facts returns the facts of a stored command. They are partial for a command without a statement.
func (c Command) facts(at time.Time) (policy.Facts, error) {
	f := policy.Facts{Type: c.Type, Parameters: c.Parameters, At: at, Partial: len(c.Statement) == 0}
	if f.Partial {
		return f, nil
	}
	var stated struct {
		Device struct {
			Tags map[string]string `json:"tags"`
		} `json:"device"`
		Proposer statedProposer `json:"proposer"`
	}
	if err := json.Unmarshal(c.Statement, &stated); err != nil {
		return f, fmt.Errorf("decoding the statement of a command: %w", err)
	}
	f.Tags, f.ProposerKind, f.ProposerRole = stated.Device.Tags, stated.Proposer.Kind, stated.Proposer.Role
	return f, nil
}
