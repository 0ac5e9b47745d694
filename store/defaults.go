package store

import "time"

// DefaultRetention is the default time for which finished commands, ended sessions and
// events are kept. Several packages use it.
const DefaultRetention = 30 * 24 * time.Hour

// The defaults of the reconciler: the interval between two batches of an instance, and
// the number of devices in a batch.
const (
	DefaultReconcileInterval = 10 * time.Second
	DefaultReconcileDevices  = 500
)
