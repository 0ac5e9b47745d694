package customer

// Health returns the state of the issuer's keys.
func (v *Verifier) Health() keyHealth { return v.keys.health() }
