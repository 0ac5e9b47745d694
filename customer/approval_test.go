package customer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
)

func TestApprovalRules_AssuranceAndClient(t *testing.T) {
	t.Parallel()
	second := customer.ApprovalRules{Assurance: customer.AAL2}
	allowed := customer.ApprovalRules{Clients: []string{"other", "app"}}
	for name, c := range map[string]struct {
		rules customer.ApprovalRules
		token customer.Principal
		want  fieldgate.Code // empty if the token may approve
	}{
		"no rules, no level":              {customer.ApprovalRules{}, customer.Principal{}, ""},
		"no rules, signed in":             {customer.ApprovalRules{}, customer.Principal{Assurance: "aal1"}, ""},
		"aal1, no level":                  {customer.ApprovalRules{Assurance: customer.AAL1}, customer.Principal{}, ""},
		"aal2, second factor":             {second, customer.Principal{Assurance: "aal2"}, ""},
		"aal2, more":                      {second, customer.Principal{Assurance: "aal3"}, ""},
		"aal2, signed in":                 {second, customer.Principal{Assurance: "aal1"}, fieldgate.CodeStepUpRequired},
		"aal2, no level":                  {second, customer.Principal{}, fieldgate.CodeStepUpRequired},
		"aal2, unknown level":             {second, customer.Principal{Assurance: "zzz"}, fieldgate.CodeStepUpRequired},
		"no rules, client":                {customer.ApprovalRules{}, customer.Principal{ClientID: "app"}, fieldgate.CodeClientNotAllowed},
		"allowed, client":                 {allowed, customer.Principal{ClientID: "app"}, ""},
		"allowed, other client":           {allowed, customer.Principal{ClientID: "ap"}, fieldgate.CodeClientNotAllowed},
		"aal2, client with second factor": {second, customer.Principal{ClientID: "app", Assurance: "aal2"}, fieldgate.CodeClientNotAllowed},
	} {
		err := c.rules.Check(c.token)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		var refused *fieldgate.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.want, refused.Code, name)
		require.Equal(t, c.want == fieldgate.CodeStepUpRequired, refused.Assurance == "aal2", name)
	}
}
