package diagnostics

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// describe is diagnostic.system {}: what the kernel says of the machine.
func describe(_ context.Context, command agent.Command) (agent.Result, error) {
	if _, err := parameters[nothing](command); err != nil {
		return agent.Result{}, err
	}
	host, _ := os.Hostname()
	data := map[string]any{
		"hostname": host, "os": osName(), "kernel": fact("/proc/sys/kernel/osrelease"),
		"architecture": runtime.GOARCH, "processors": runtime.NumCPU(), "load": fact("/proc/loadavg"),
	}
	text := fmt.Sprintf("%s: %s, kernel %s, %s, %d processors\nload %s\n",
		host, data["os"], data["kernel"], runtime.GOARCH, runtime.NumCPU(), data["load"])
	for name, value := range Metrics() {
		data[name] = value
	}
	text += fmt.Sprintf("up for %.0f s\nmemory %s of %s available\n", Metrics()["uptimeSeconds"],
		size(memory()["memoryAvailableBytes"]), size(memory()["memoryTotalBytes"]))
	return agent.Result{Output: text, Data: data}, nil
}

// osName is what the distribution calls itself (os-release(5)).
func osName() string {
	for line := range strings.Lines(fact("/etc/os-release")) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(name, `"'`)
		}
	}
	return runtime.GOOS
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
