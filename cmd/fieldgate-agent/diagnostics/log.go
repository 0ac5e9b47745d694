package diagnostics

import (
	"context"
	"regexp"
	"strconv"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

const maxLines = 2000

type logLines struct {
	Unit  string `json:"unit"`
	Lines int    `json:"lines"`
}

// unitName is that of systemd.unit(5), without the instances' own characters that a shell
// or journalctl could take for something else: no "*" or "?", which are patterns there.
var unitName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,254}$`)

func (l logLines) check() error {
	if !unitName.MatchString(l.Unit) {
		return agent.Fail(agent.CodeInvalidParameters, "unit must be the name of a systemd unit")
	}
	if l.Lines < 1 || l.Lines > maxLines {
		return agent.Fail(agent.CodeInvalidParameters, "lines must be from 1 to %d", maxLines)
	}
	return nil
}

// readLog is diagnostic.log {unit, lines}: the newest lines of a unit. It fails with
// not_available where there is no journalctl, and with log_failed where that fails.
func readLog(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[logLines](command)
	if err != nil {
		return agent.Result{}, err
	}
	ended, err := process.Run(ctx, process.Program{
		Path: "journalctl",
		Args: []string{"--unit=" + wanted.Unit, "--lines=" + strconv.Itoa(wanted.Lines), "--no-pager", "--output=short-iso"},
	})
	if err == nil && ended.Code != 0 {
		err = agent.Fail("log_failed", "journalctl ended with %s", ended.State)
	}
	return agent.Result{Output: ended.Output}, err
}
