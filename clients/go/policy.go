package fieldgate

import (
	"context"
	"iter"
)

// Policy returns the policy of the tenant, the change of it that waits for another admin, and the floor.
func (c *CustomerClient) Policy(ctx context.Context) (Policy, error) {
	return decode[Policy](c.requester.getPolicy(ctx))
}

// SetPolicy replaces the policy of the tenant. Set request.Version to the version that was read, so that
// no change of another admin is lost: if another one applies, the code is [CodePolicyConflict]. If the
// change may loosen the policy, it is Pending in the response, and waits for another admin.
func (c *CustomerClient) SetPolicy(ctx context.Context, request SetPolicyRequest) (Policy, error) {
	return decode[Policy](c.requester.setPolicy(ctx, request))
}

// DecidePolicyChange approves or rejects the change of the policy that waits. The admin who has made it
// may only reject it.
func (c *CustomerClient) DecidePolicyChange(ctx context.Context, request DecidePolicyRequest) (Policy, error) {
	return decode[Policy](c.requester.decidePolicyChange(ctx, request))
}

// EvaluatePolicy returns what a proposal would meet, and proposes nothing.
func (c *CustomerClient) EvaluatePolicy(ctx context.Context, request EvaluatePolicyRequest) (PolicyEvaluation, error) {
	return decode[PolicyEvaluation](c.requester.evaluatePolicy(ctx, request))
}

// PolicyVersions returns a page of the versions of the policy that have applied, the newest first.
func (c *CustomerClient) PolicyVersions(ctx context.Context, params ListPolicyVersionsParams) (PolicyVersionList, error) {
	return decode[PolicyVersionList](c.requester.listPolicyVersions(ctx, params))
}

// AllPolicyVersions returns the versions of the policy, with one request per page. If a request fails,
// the error is the last element.
func (c *CustomerClient) AllPolicyVersions(ctx context.Context, params ListPolicyVersionsParams) iter.Seq2[PolicyVersion, error] {
	return allPages(params.Cursor, func(cursor string) ([]PolicyVersion, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.PolicyVersions(ctx, params)
		return page.Items, page.NextCursor, err
	})
}
