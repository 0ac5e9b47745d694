package admin

import (
	"bytes"
	"context"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// runCommand runs a command of the operator on the store at url, and returns its output. The log
// of the test gets what the command prints besides.
func runCommand(t testing.TB, url string, arguments ...string) (string, error) {
	t.Helper()
	var cli Command
	out := new(bytes.Buffer)
	parser, err := kong.New(&cli, kong.Vars{"retention": "720h"}, kong.Writers(out, t.Output()))
	require.NoError(t, err)
	parsed, err := parser.Parse(append(arguments, "--redis-url="+url))
	require.NoError(t, err)
	parsed.BindTo(context.Context(t.Context()), (*context.Context)(nil))
	err = parsed.Run()
	return out.String(), err
}
