package tenantpolicy

// recordKind is the kind of the records of policies.
const recordKind = "policies of tenants"

// These are the states of a version that its MAC covers. So a writer of the store cannot make a change that
// waits apply by moving its record.
const (
	stateWaiting = "waiting"
	stateCurrent = "current"
)

// parts returns what the MAC of a version in a state covers.
func (r record) parts(tenant, state string) []string {
	return []string{tenant, state, r.Number, r.Document, r.By, r.ApprovedBy, r.Looser}
}
