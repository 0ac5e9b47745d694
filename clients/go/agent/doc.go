// Package agent runs a device: it registers the device once, claims commands, calls their
// handlers and submits the results. It survives the loss of power, of the network and of the
// gateway.
//
//	device, err := agent.New(agent.Config{
//		URL: "https://gateway.example.com", StateFile: "/var/lib/pump/device.json", ActivationCode: code,
//	})
//	...
//	device.Handle("diagnostic.uptime", uptime, agent.Repeatable())
//	device.Handle("service.restart", restart)
//	err = device.Run(ctx)
//
// # Guarantees
//
//   - A command runs once. The agent records on disk that a command starts before it calls
//     the handler, and records the result before it submits the result. After a crash of the
//     agent, a command that was running is reported as failed with [CodeInterrupted]. It does
//     not run again unless its type is [Repeatable]. If the device claims a finished command
//     again, the agent submits the recorded result.
//   - Every result arrives if the device ever reaches the gateway again, because the agent
//     keeps each result until the gateway has accepted or refused it.
//   - While the disk is full, broken or read-only, the heartbeat reports the device as degraded,
//     with the metric [MetricUnrecorded]. Commands of a [Repeatable] type run, so that the device
//     can still be diagnosed. Another command that cannot be recorded does not run, and fails with
//     [CodeUnrecorded]. A command that [FreesSpace] is recorded in space that the agent has
//     reserved.
//   - A command that restarts the device ends with what the device reports after the restart, if
//     its handler announces that: see [Continue].
//   - An outcome is never changed because of the link. If large requests are refused or lost
//     while small ones get through, the agent submits the status with less of the output.
//   - While a command runs and until its result is accepted, the agent extends its lease. A
//     request to cancel the command ends the context of the handler.
//   - While a command runs, users see what its handler reports with [Progress] and prints to
//     [Output]. Reports that are lost change nothing.
//   - The agent retries failed requests to the gateway without limit. The delays are random,
//     so that devices that lost their network together do not reconnect together. Commands
//     arrive over a socket, and by HTTP long polling where sockets do not work.
//
// The agent trusts the gateway to return only approved commands, unless its owner decides otherwise: see
// [Trust]. It does not trust the parameters of a command, which are untrusted input: see [Parameters].
//
// # Files
//
// The state file holds the identity of the device, including its secret, and hashes of numbers that
// tell this machine from a copy: see [ErrCopied]. Only its owner can read it, and it is replaced
// atomically. The journal, StateFile.journal, is appended to and
// synced twice for each command. It is rewritten when it has grown by 1 MiB. Incomplete writes
// and full disks do not damage it. The reserve, StateFile.journal.reserve, has 64 KiB. A lock on
// the journal excludes a second agent. On Windows, where the tests are not run, the lock is on
// StateFile.lock. StateFile.roster is the newest version of the roster, if Trust has one. No decision depends
// on the clock of the device, except for the end of receipts.
//
// # Costs
//
// These values were measured on linux/amd64 with Go 1.26 and one handler. The stripped program
// has 6.8 MB, of which net/http and TLS alone are 5.9 MB. While idle with an open socket, the
// program has 7.2 MB of resident memory: 1.3 MB of data, and pages of the program. There is no
// build without sockets: it would save less than 0.6 MB. Each command costs two synced writes. An
// idle device with a socket sends one heartbeat in each interval that the gateway asks for.
package agent
