package store

import "time"

// DefaultRetention is the default time for which finished commands, ended sessions and
// events are kept. Several packages use it.
const DefaultRetention = 30 * 24 * time.Hour

// DefaultReconcileInterval is the interval between two batches of an instance's
// reconciler. DefaultReconcileDevices is the number of devices in a batch.
const (
	DefaultReconcileInterval = 10 * time.Second
	DefaultReconcileDevices  = 500
)
