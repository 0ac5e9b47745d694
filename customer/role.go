package customer

import "fmt"

// Role is a set of permissions in a tenant. Each role includes the permissions of the
// lesser ones. The zero Role has no permissions.
type Role int

// The roles, in ascending order.
const (
	Viewer   Role = iota + 1 // reads
	Operator                 // also opens sessions and proposes commands
	Approver                 // also decides on commands
	Admin                    // also provisions, suspends and decommissions devices
)

// ParseRole returns the role with a name in lower case, or an error if there is none.
func ParseRole(name string) (Role, error) {
	for role := Viewer; role <= Admin; role++ {
		if role.String() == name {
			return role, nil
		}
	}
	return 0, fmt.Errorf("%q is not a role: use viewer, operator, approver or admin", name)
}

// Allows reports whether the role has the permissions of least. It returns false if
// least is not a role, so that an operation without a configured role is allowed to
// no one.
func (r Role) Allows(least Role) bool {
	return least >= Viewer && r >= least
}

// String returns the name of the role as it is written in tokens and in the API.
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
