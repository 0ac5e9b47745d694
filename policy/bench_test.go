package policy_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/policy"
)

// large returns a document with as many rules as it may have, each with an expression. Only the last
// matches.
func large() policy.Document {
	var d policy.Document
	for i := range policy.MaxRules {
		d.Rules = append(d.Rules, policy.Rule{
			Name: fmt.Sprint("rule ", i), Effect: policy.Review, Types: []string{"remediation.*"},
			When: fmt.Sprintf("parameters.delay == %d && parameters.unit.startsWith('telemetry')", i),
		})
	}
	return d
}

var largeFacts = policy.Facts{
	Type: "remediation.restart", Parameters: json.RawMessage(`{"delay":99,"unit":"telemetry.service","flags":["a","b"]}`),
}

// BenchmarkPolicy_Judge judges a command by a policy with 100 rules, each with an expression.
func BenchmarkPolicy_Judge(b *testing.B) {
	p, err := large().Compile()
	require.NoError(b, err)
	require.Equal(b, "rule 99", p.Judge(largeFacts).Rule)
	b.ReportAllocs()
	for b.Loop() {
		p.Judge(largeFacts)
	}
}

func BenchmarkDocument_Compile(b *testing.B) {
	d := large()
	for b.Loop() {
		_, err := d.Compile()
		require.NoError(b, err)
	}
}
