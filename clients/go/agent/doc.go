// Package agent is the working half of a device: it registers once, claims commands, has
// handlers do them, and reports what came of them, through losses of power, network and
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
// # What it promises
//
//   - A command is done once. What was begun is on the disk before its handler is called,
//     and what came of it before it is reported. After a death of the agent, a command that
//     was being done is reported as failed with [CodeInterrupted], and not done again,
//     unless its type is [Repeatable]. A command that the gateway hands out a second time is
//     answered with what came of it the first time.
//   - Every outcome arrives, if the device ever reaches the gateway again: it is kept until
//     the gateway has taken or refused it.
//   - A command that cannot be written down, because the disk is full or broken, is not done:
//     it is given back, and the heartbeat says that the device is degraded.
//   - While a handler works, its lease is extended. A wish to cancel ends its context.
//   - Whatever fails on the way to the gateway is tried again for ever, at random times, so
//     that devices that were lost together do not come back together. Commands come over a
//     socket; where that does not work, over HTTP requests that wait.
//
// The gateway is trusted to let only approved commands be claimed, and nothing else is: the
// parameters of a command are input, see [Parameters].
//
// # What it keeps
//
// The state file holds the identity of the device, a secret among it, readable by its owner
// only, and is replaced as a whole. The journal beside it, StateFile.journal, is appended to
// and synced twice for each command; it is written anew when it has grown by 1 MiB, and torn
// ends and full disks do it no harm. A lock, StateFile.lock, keeps a second agent out on
// Unix, and on Windows, where the tests are not run. No decision depends on the clock of the device.
//
// # What it costs
//
// Measured on linux/amd64 with Go 1.26 and one handler: a stripped program of 6.8 MB, of
// which net/http and TLS alone are 5.9; idle with a socket open, 7.2 MB of resident memory,
// of which 1.3 are its own. There is no build without sockets: it would save less than
// 0.6 MB. Each command costs two synced writes, and an idle device with a socket one
// heartbeat in the interval that the gateway asks for.
package agent
