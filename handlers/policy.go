package handlers

import (
	"cmp"
	"context"
	"strconv"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// GetPolicy returns the policy of the tenant.
func (s *Server) GetPolicy(ctx context.Context, _ generated.GetPolicyRequestObject) (generated.GetPolicyResponseObject, error) {
	state, err := s.policies.Get(ctx, userPrincipal(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return generated.GetPolicy200JSONResponse(policyOf(state, s.queue.Floor())), nil
}

// SetPolicy replaces the policy of the tenant, or lets the change wait for another admin.
func (s *Server) SetPolicy(ctx context.Context, r generated.SetPolicyRequestObject) (generated.SetPolicyResponseObject, error) {
	if err := s.approvals.CheckPolicyChange(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	state, err := s.policies.Save(ctx, authorOf(ctx), documentFrom(r), replacedBy(r))
	if err != nil {
		return nil, err
	}
	if state.Pending != nil {
		return generated.SetPolicy202JSONResponse(policyOf(state, s.queue.Floor())), nil
	}
	return generated.SetPolicy200JSONResponse(policyOf(state, s.queue.Floor())), nil
}

// ListPolicyVersions lists the versions of the policy that have applied, the newest first.
func (s *Server) ListPolicyVersions(ctx context.Context, r generated.ListPolicyVersionsRequestObject) (generated.ListPolicyVersionsResponseObject, error) {
	page := pageFrom(r.Params.Limit, r.Params.Cursor)
	list, next, err := s.policies.Versions(ctx, userPrincipal(ctx).Tenant, page)
	if err != nil {
		return nil, err
	}
	return generated.ListPolicyVersions200JSONResponse(policyVersionListOf(list, next)), nil
}

// DecidePolicyChange approves or rejects the change of the policy that waits.
func (s *Server) DecidePolicyChange(ctx context.Context, r generated.DecidePolicyChangeRequestObject) (generated.DecidePolicyChangeResponseObject, error) {
	if err := s.approvals.CheckPolicyChange(userPrincipal(ctx)); err != nil && r.Body.Approved {
		return nil, err
	}
	state, err := s.policies.Decide(ctx, authorOf(ctx), versionFrom(r.Body.Version), r.Body.Approved)
	if err != nil {
		return nil, err
	}
	return generated.DecidePolicyChange200JSONResponse(policyOf(state, s.queue.Floor())), nil
}

// EvaluatePolicy returns what a proposal would meet.
func (s *Server) EvaluatePolicy(ctx context.Context, r generated.EvaluatePolicyRequestObject) (generated.EvaluatePolicyResponseObject, error) {
	device, err := s.devices.Get(ctx, userPrincipal(ctx).Tenant, r.Body.DeviceID)
	if err != nil {
		return nil, err
	}
	found, err := s.queue.Evaluate(ctx, evaluationFrom(ctx, r, device.Tags))
	if err != nil {
		return nil, err
	}
	return generated.EvaluatePolicy200JSONResponse(PolicyEvaluationRecord(found)), nil
}

func authorOf(ctx context.Context) tenantpolicy.Author {
	p := userPrincipal(ctx)
	return tenantpolicy.Author{
		Tenant: p.Tenant, UserID: p.UserID, Names: callerNames(ctx), RequestID: request.ID(ctx), SoleUser: p.SoleUser,
		AuthSessionID: p.SessionID, EarliestCutOff: p.EarliestCutOff(),
	}
}

// replacedBy returns the version that a request replaces.
func replacedBy(r generated.SetPolicyRequestObject) int64 {
	if r.Body.Version == "" {
		return tenantpolicy.AnyVersion
	}
	return versionFrom(r.Body.Version)
}

// versionFrom parses a number that the contract has validated.
func versionFrom(text string) int64 {
	number, _ := strconv.ParseInt(text, 10, 64)
	return number
}

func documentFrom(r generated.SetPolicyRequestObject) policy.Document {
	return policy.Document{Rules: convert(r.Body.Rules, policyRuleFrom)}
}

func policyRuleFrom(r generated.PolicyRule) policy.Rule {
	return policy.Rule{
		Name: r.Name, Effect: policy.Effect(r.Effect), Types: r.Types, Tags: r.Tags, Proposer: string(r.Proposer),
		ProposerRoles: namesOf[string](r.ProposerRoles), When: r.When, Window: policyWindowFrom(r.Window),
		Approvals: r.Approvals, Roles: namesOf[string](r.Roles), Assurance: r.Assurance, SignInAge: r.SignInAge, Within: r.Within,
		Reason: r.Reason, BreakGlass: r.BreakGlass, BreakGlassByProposer: r.BreakGlassByProposer,
	}
}

func policyWindowFrom(w *generated.PolicyWindow) *policy.Window {
	if w == nil {
		return nil
	}
	return &policy.Window{Days: w.Days, From: w.From, To: w.To, Zone: w.Zone}
}

// namesOf converts a list of texts to texts of another type. It returns nil for an empty list.
func namesOf[To, From ~string](list []From) (converted []To) {
	for _, item := range list {
		converted = append(converted, To(item))
	}
	return converted
}

func policyRuleOf(r policy.Rule) generated.PolicyRule {
	rule := generated.PolicyRule{
		Name: r.Name, Effect: string(r.Effect), Types: r.Types, Tags: r.Tags, Proposer: generated.PolicyRuleProposer(r.Proposer),
		ProposerRoles: namesOf[generated.PolicyRuleProposerRoles](r.ProposerRoles), When: r.When,
		Approvals: r.Approvals, Roles: namesOf[generated.PolicyRuleRoles](r.Roles), Assurance: r.Assurance, SignInAge: r.SignInAge, Within: r.Within,
		Reason: r.Reason, BreakGlass: r.BreakGlass, BreakGlassByProposer: r.BreakGlassByProposer,
	}
	if w := r.Window; w != nil {
		rule.Window = &generated.PolicyWindow{Days: w.Days, From: w.From, To: w.To, Zone: w.Zone}
	}
	return rule
}

// policyOf converts the policy of a tenant, and the floor.
func policyOf(s tenantpolicy.State, floor queue.Policy) generated.Policy {
	now := PolicyVersionRecord(s.Current)
	p := generated.Policy{
		Version: now.Version, Rules: now.Rules, ChangedBy: now.ChangedBy, ChangedAt: now.ChangedAt,
		ApprovedBy: now.ApprovedBy, ApprovedAt: now.ApprovedAt,
		Floor: generated.PolicyFloor{Version: floor.Version(), Rules: floor.String()},
	}
	if s.Pending != nil {
		pending := PolicyVersionRecord(*s.Pending)
		p.Pending = &pending
	}
	return p
}

// PolicyVersionRecord returns a version of a policy in the format of the contract.
func PolicyVersionRecord(v tenantpolicy.Version) generated.PolicyVersion {
	return generated.PolicyVersion{
		Version: strconv.FormatInt(v.Number, 10), Rules: convert(v.Document.Rules, policyRuleOf),
		ChangedBy: v.By, ChangedAt: fieldgate.At(v.At), ApprovedBy: v.ApprovedBy, ApprovedAt: fieldgate.At(v.ApprovedAt),
		Loosens: v.Loosens,
	}
}

func policyVersionListOf(list []tenantpolicy.Version, next string) generated.PolicyVersionList {
	return generated.PolicyVersionList{Items: convert(list, PolicyVersionRecord), NextCursor: next}
}

// evaluationFrom converts a request that concerns a device with these tags.
func evaluationFrom(ctx context.Context, r generated.EvaluatePolicyRequestObject, tags map[string]string) queue.Evaluation {
	p, kind := userPrincipal(ctx), policy.Person
	if p.IsProgram() {
		kind = policy.Program
	}
	return queue.Evaluation{
		Tenant: p.Tenant, Type: r.Body.Type, Parameters: r.Body.Parameters, Tags: tags,
		ProposerKind: cmp.Or(string(r.Body.Proposer.Kind), kind), ProposerRole: cmp.Or(string(r.Body.Proposer.Role), p.Role.String()),
	}
}

// PolicyEvaluationRecord returns what a proposal would meet in the format of the contract.
func PolicyEvaluationRecord(e queue.Evaluated) generated.PolicyEvaluation {
	evaluation := generated.PolicyEvaluation{Effect: string(e.Effect), Rule: e.Rule, Version: e.Version, Why: e.Why}
	if e.Effect == policy.Review {
		n := e.Needs
		evaluation.Approvals, evaluation.Roles, evaluation.Assurance = n.Votes(), namesOf[generated.PolicyEvaluationRoles](n.Roles), n.Assurance
		evaluation.SignInAge, evaluation.Within = policy.FormatDuration(n.SignInAge), policy.FormatDuration(n.Within)
		evaluation.Reason, evaluation.BreakGlass = n.Reason, n.BreakGlass
		evaluation.BreakGlassByProposer = n.GlassByProposer
	}
	return evaluation
}
