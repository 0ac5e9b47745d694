package diagnostics

import (
	"context"
	"regexp"
	"strconv"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

// maxLines is the maximum number of log lines that diagnostic.log returns.
const maxLines = 2000

// logParameters are the parameters of diagnostic.log.
type logParameters struct {
	Unit  string `json:"unit"`
	Lines int    `json:"lines"`
}

// unitName matches unit names as in systemd.unit(5), but without characters that a shell or
// journalctl could interpret. For example, "*" and "?" are patterns for journalctl.
var unitName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,254}$`)

func (l logParameters) check() error {
	if !unitName.MatchString(l.Unit) {
		return agent.Fail(agent.CodeInvalidParameters, "unit must be the name of a systemd unit, without patterns")
	}
	if l.Lines < 1 || l.Lines > maxLines {
		return agent.Fail(agent.CodeInvalidParameters, "lines must be from 1 to %d", maxLines)
	}
	return nil
}

// readLog handles diagnostic.log {unit, lines}. It returns the newest log lines of a unit. It
// fails with not_available if journalctl is not installed, and with log_failed if journalctl
// fails.
func readLog(ctx context.Context, params logParameters) (agent.Result, error) {
	result, err := process.Run(ctx, process.Program{
		Path: "journalctl",
		Args: []string{"--unit=" + params.Unit, "--lines=" + strconv.Itoa(params.Lines), "--no-pager", "--output=short-iso"},
	})
	if err == nil && result.Code != 0 {
		err = agent.Fail("log_failed", "journalctl ended with %s", result.State)
	}
	return agent.Result{Output: result.Output}, err
}
