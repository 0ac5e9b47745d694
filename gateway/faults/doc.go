// Package faults tests complete installations of the gateway under faults: lost replies,
// stalled networks, and instances and Redis servers that are killed, paused, filled up or
// moved. It contains only tests.
//
// Each scenario runs a workload of devices and users, and injects a fault during the
// workload. The clients repeat calls whose outcome is unknown, as real clients do. Then
// the fault is removed, the workload is finished, and every accepted command is verified:
// see verify.
//
// FIELDGATE_FAULT_SEEDS=10 runs each scenario with ten seeds. FIELDGATE_FAULT_SEED=7 runs
// each with the seed 7 only. The seed determines the actions of all clients, but not
// their timing.
package faults
