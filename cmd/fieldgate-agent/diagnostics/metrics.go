package diagnostics

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Metadata describes the machine. The agent sends it when the device registers.
func Metadata() fieldgate.DeviceMetadata {
	m := fieldgate.DeviceMetadata{
		Model:                runtime.GOOS + "/" + runtime.GOARCH,
		AdditionalProperties: map[string]string{},
	}
	if name, err := os.Hostname(); err == nil {
		m.AdditionalProperties["hostname"] = name[:min(len(name), 256)]
	}
	return m
}

// Metrics returns the metrics for a heartbeat: load, uptime and memory. It omits a metric that
// the kernel does not report.
func Metrics() fieldgate.Metrics {
	metrics := fieldgate.Metrics{}
	if fields := strings.Fields(readTrimmed("/proc/loadavg")); len(fields) > 0 {
		if load, err := strconv.ParseFloat(fields[0], 64); err == nil {
			metrics["load1"] = load
		}
	}
	if fields := strings.Fields(readTrimmed("/proc/uptime")); len(fields) > 0 {
		if uptime, err := strconv.ParseFloat(fields[0], 64); err == nil {
			metrics["uptimeSeconds"] = math.Trunc(uptime)
		}
	}
	for name, bytes := range memory() {
		metrics[name] = float64(bytes)
	}
	return metrics
}

// readTrimmed returns the content of a small file without surrounding white space, or "" if the
// file cannot be read.
func readTrimmed(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// memory returns the total and the available memory in bytes, by metric name.
func memory() map[string]int64 {
	params := map[string]string{"MemTotal:": "memoryTotalBytes", "MemAvailable:": "memoryAvailableBytes"}
	found := map[string]int64{}
	for line := range strings.Lines(readTrimmed("/proc/meminfo")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || params[fields[0]] == "" {
			continue
		}
		if kilobytes, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			found[params[fields[0]]] = kilobytes << 10
		}
	}
	return found
}
