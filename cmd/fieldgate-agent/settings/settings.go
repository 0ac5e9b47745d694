// Package settings defines the settings of fieldgate-agent. The gateway knows them too, because
// the environment of a machine may have the settings of both programs.
package settings

import (
	"time"

	"github.com/alecthomas/kong"
)

// Settings are read from flags, from environment variables, or from a file that has the names of
// the variables. A flag overrides a variable, and a variable overrides the file.
type Settings struct {
	File kong.ConfigFlag `name:"settings" placeholder:"FILE" help:"File with lines NAME=value, in which NAME is that of a variable."`

	URL                string `name:"url" env:"FIELDGATE_URL" help:"URL of the gateway, such as https://gateway.example.com."`
	State              string `env:"FIELDGATE_STATE" required:"" placeholder:"FILE" help:"File with the identity of this device; the journal is stored beside it."`
	ActivationCode     string `env:"FIELDGATE_ACTIVATION_CODE" placeholder:"CODE" xor:"code" help:"Activation code that registers the device; ignored once it is registered."`
	ActivationCodeFile string `env:"FIELDGATE_ACTIVATION_CODE_FILE" placeholder:"FILE" xor:"code" help:"File with the activation code. It may be removed once the device is registered."`
	Scripts            string `env:"FIELDGATE_SCRIPTS" placeholder:"DIR" help:"Directory of the scripts that remediation.run_script may run; without it, none may."`

	Metadata map[string]string `env:"FIELDGATE_METADATA" placeholder:"NAME=VALUE" help:"Metadata that the device registers with, such as serialNumber=PX4-001873; several are separated by a semicolon."`

	CAFile            string        `name:"ca-file" env:"FIELDGATE_CA_FILE" placeholder:"FILE" help:"PEM file with certificate authorities to trust, in addition to those of the system."`
	ClientCertificate string        `env:"FIELDGATE_CLIENT_CERTIFICATE" placeholder:"FILE" and:"client" help:"PEM file with the client certificate, for a proxy that requires one."`
	ClientKey         string        `env:"FIELDGATE_CLIENT_KEY" placeholder:"FILE" and:"client" help:"PEM file with the key of the client certificate."`
	Proxy             string        `env:"FIELDGATE_PROXY" placeholder:"URL" help:"Proxy to the gateway. Default: HTTPS_PROXY and NO_PROXY."`
	PollOnly          bool          `env:"FIELDGATE_POLL_ONLY" help:"Open no socket."`
	PollWait          time.Duration `env:"FIELDGATE_POLL_WAIT" default:"25s" help:"How long a poll waits for a command; shorter than the idle timeout of each proxy."`
	ConnectTimeout    time.Duration `env:"FIELDGATE_CONNECT_TIMEOUT" default:"30s" help:"Limit of each connection attempt: for TCP, and again for TLS."`
	InsecureHTTP      bool          `name:"insecure-http" env:"FIELDGATE_INSECURE_HTTP" help:"Allow http:// to a host other than this one. Everyone on the way can then read the secret of the device and run commands on it."`

	Trust            string   `env:"FIELDGATE_TRUST" enum:"gateway,approvers" default:"gateway" help:"Party that decides whether the required approvals are there: gateway, or approvers. With approvers, only those count that a user has signed with a passkey of the roster."`
	Roster           string   `env:"FIELDGATE_ROSTER" placeholder:"FILE" help:"File with the roster of the approvers, as GET /api/v1/customer/roster returns it. The device follows it from there."`
	ReceiptKeys      string   `env:"FIELDGATE_RECEIPT_KEYS" placeholder:"FILE" help:"File with the keys of the gateway, a JSON Web Key Set. With it, no command runs without a receipt that one of them has signed."`
	RequireApprovals []string `env:"FIELDGATE_REQUIRE_APPROVALS" sep:";" placeholder:"TYPE=N[:passkey]" help:"Number of users other than the proposer who must have approved a command of a type, such as remediation.*=2, or have signed it with a passkey, such as remediation.*=2:passkey; several are separated by a semicolon. It needs the keys, or the roster and FIELDGATE_TRUST=approvers."`

	Lease       time.Duration `env:"FIELDGATE_LEASE" default:"1m" help:"How long a claim lasts without an extension, from 3s to 1h."`
	Grace       time.Duration `env:"FIELDGATE_GRACE" default:"10s" help:"How long running commands may continue after SIGTERM."`
	Concurrency int           `env:"FIELDGATE_CONCURRENCY" default:"1" help:"Number of commands that run at a time, at most 64."`
	LogLevel    string        `env:"FIELDGATE_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least level of the log: debug, info, warn or error."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// These are the names of the environment variables with which a script learns why it runs.
const (
	CommandID = "FIELDGATE_COMMAND_ID"
	RequestID = "FIELDGATE_REQUEST_ID"
	Trace     = "TRACEPARENT"         // the span of the command; the name is that of OpenTelemetry
	Restarted = "FIELDGATE_RESTARTED" // what has restarted since the first script: "machine" or "agent"
)
