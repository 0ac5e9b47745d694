package store

import "time"

// DefaultRetention is the default time that finished commands, ended sessions and events
// are kept. It is here because several packages keep something for that time.
const DefaultRetention = 30 * 24 * time.Hour

// The defaults of the reconciler: the time between two rounds of an instance, and the
// number of devices of a round.
const (
	DefaultReconcileInterval = 10 * time.Second
	DefaultReconcileDevices  = 500
)
