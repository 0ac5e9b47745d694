// Package settings defines the settings of fieldgate-agent. The gateway knows them too, because
// the environment of a machine may have the settings of both programs.
package settings

import "github.com/alecthomas/kong"

// Settings are read from flags or from environment variables.
type Settings struct {
	URL            string `name:"url" env:"FIELDGATE_URL" required:"" help:"URL of the gateway, such as https://gateway.example.com."`
	State          string `env:"FIELDGATE_STATE" required:"" placeholder:"FILE" help:"File with the identity of this device; the journal is stored beside it."`
	ActivationCode string `env:"FIELDGATE_ACTIVATION_CODE" placeholder:"CODE" help:"Activation code that registers the device; ignored once it is registered."`
	Scripts        string `env:"FIELDGATE_SCRIPTS" placeholder:"DIR" help:"Directory of the scripts that remediation.run_script may run; without it, none may."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// CommandID and RequestID are the names of the environment variables with which a script learns
// why it runs.
const (
	CommandID = "FIELDGATE_COMMAND_ID"
	RequestID = "FIELDGATE_REQUEST_ID"
)
