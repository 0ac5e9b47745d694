package customer

import "fmt"

// Role is a set of permissions in a tenant. Each role includes the permissions of all
// lower roles. The zero Role has no permissions.
type Role int

// These are the roles, in ascending order.
const (
	Viewer   Role = iota + 1 // may read
	Operator                 // may also open sessions and propose commands
	Approver                 // may also decide on commands
	Admin                    // may also provision, suspend and decommission devices
)

// ParseRole returns the role with the given lower-case name, or an error if no role has
// this name.
func ParseRole(name string) (Role, error) {
	for role := Viewer; role <= Admin; role++ {
		if role.String() == name {
			return role, nil
		}
	}
	return 0, fmt.Errorf("%q is not a role: use viewer, operator, approver or admin", name)
}

// Allows reports whether r is the role least or a higher role. It returns false if least
// is not a role, so that an operation without a configured role is never allowed.
func (r Role) Allows(least Role) bool {
	return least >= Viewer && r >= least
}

// Names returns the names of the role and of the lower roles, which it includes.
func (r Role) Names() []string {
	var names []string
	for role := Viewer; role <= min(r, Admin); role++ {
		names = append(names, role.String())
	}
	return names
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
