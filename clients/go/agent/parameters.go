package agent

import (
	"encoding/json"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// Parameters decodes the parameters of command into a T. It returns a Failure with
// [CodeInvalidParameters] if T has no field for a parameter, if a parameter is given twice, or if
// a value does not fit its field.
//
// Names must be exactly those of the fields of T, as they are for the gateway and for the users
// who approve a command. Package encoding/json alone also accepts names in another case, and
// "arg\u017f" for "args": the user would approve one value, and the device would use another.
func Parameters[T any](command Command) (T, error) {
	var parameters, none T
	text := command.Parameters
	if len(text) == 0 {
		text = json.RawMessage("{}")
	}
	if err := exact.Decode(text, &parameters); err != nil {
		return none, Fail(CodeInvalidParameters, "decoding the parameters: %w", err)
	}
	return parameters, nil
}
