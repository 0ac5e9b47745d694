package customer

import "fmt"

// Role says how much a person may do in a tenant. Each role may do all that
// the ones before it may. The zero Role may do nothing.
type Role int

// The roles, from the least to the most.
const (
	Viewer   Role = iota + 1 // reads
	Operator                 // also opens sessions and proposes commands
	Approver                 // also decides on commands
	Admin                    // also provisions, suspends and decommissions devices
)

// ParseRole gives the role of a name in lower case.
func ParseRole(name string) (Role, error) {
	for role := Viewer; role <= Admin; role++ {
		if role.String() == name {
			return role, nil
		}
	}
	return 0, fmt.Errorf("%q is no role: use viewer, operator, approver or admin", name)
}

// Allows tells whether the role is enough where least is required. A least
// that is no role allows nobody, so that a rule nobody wrote admits nobody.
func (r Role) Allows(least Role) bool {
	return least >= Viewer && r >= least
}

// String gives the name of the role, as tokens and the contract spell it.
func (r Role) String() string {
	switch r {
	case Viewer:
		return "viewer"
	case Operator:
		return "operator"
	case Approver:
		return "approver"
	case Admin:
		return "admin"
	default:
		return "none"
	}
}
