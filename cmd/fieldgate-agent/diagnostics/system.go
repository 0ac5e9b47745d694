package diagnostics

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// describeSystem handles diagnostic.system {}. It returns the host name, operating system, load
// and memory of the machine.
func describeSystem(_ context.Context, _ noParameters) (agent.Result, error) {
	host, _ := os.Hostname()
	data := map[string]any{
		"hostname": host, "os": osName(), "kernel": readTrimmed("/proc/sys/kernel/osrelease"),
		"architecture": runtime.GOARCH, "processors": runtime.NumCPU(), "load": readTrimmed("/proc/loadavg"),
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

// osName returns the name of the Linux distribution (os-release(5)). If there is none, it
// returns GOOS.
func osName() string {
	for line := range strings.Lines(readTrimmed("/etc/os-release")) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(name, `"'`)
		}
	}
	return runtime.GOOS
}

// size formats a number of bytes for users.
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
