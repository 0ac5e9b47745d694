// Package faults holds whole installations of the gateway against what goes wrong
// around them: replies that are lost, networks that stall, Redis and gateways that
// are killed, frozen, filled up or moved. It has only tests.
//
// Each scenario runs a workload of devices and people who repeat what they were not
// answered, as real clients do, and breaks something meanwhile. Then the fault is
// taken away, everything comes to its end, and every accepted command is accounted
// for: see account.
//
// FIELDGATE_FAULT_SEEDS=10 runs each scenario with ten seeds, FIELDGATE_FAULT_SEED=7
// with one of them. A seed decides what everybody does; when the machine gets to it
// is not decided by it.
package faults
