package remediation

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
)

// afterSuffix is the end of the name of a script that runs after a restart. If the script "reboot"
// restarts the machine or the agent, the script "reboot.after" reports how that went.
const afterSuffix = ".after"

// maxRestart is the time in which the agent must end after a script that has an .after script.
const maxRestart = 10 * time.Minute

// continueAfter announces a restart if there is a script to run after the script of the given name.
func (s *Scripts) continueAfter(ctx context.Context, name string) error {
	if _, err := s.root.Lstat(name + afterSuffix); err != nil {
		return nil
	}
	if err := agent.Continue(ctx, maxRestart, bootID()); err != nil {
		return agent.Fail("script_unusable", "the restart of the script cannot be recorded: %w", err)
	}
	return nil
}

// afterRestart runs the .after script of a script with the same args. before is the ID of the boot
// in which the first script ran.
func (s *Scripts) afterRestart(ctx context.Context, command agent.Command, before string) (agent.Result, error) {
	params, err := agent.Parameters[parameters](command)
	if err != nil {
		return agent.Result{}, err
	}
	if err := params.check(); err != nil {
		return agent.Result{}, err
	}
	restarted := "agent"
	if bootID() != before {
		restarted = "machine"
	}
	params.Name += afterSuffix
	return s.execute(ctx, command, params, settings.Restarted+"="+restarted)
}

// bootID returns the ID that the kernel generates at each boot (random(4)).
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
