package diagnostics

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Metadata is what the machine says of itself when it registers.
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

// Metrics are the readings of each heartbeat.
func Metrics() fieldgate.Metrics {
	metrics := fieldgate.Metrics{}
	if fields := strings.Fields(fact("/proc/loadavg")); len(fields) > 0 {
		if load, err := strconv.ParseFloat(fields[0], 64); err == nil {
			metrics["load1"] = load
		}
	}
	if fields := strings.Fields(fact("/proc/uptime")); len(fields) > 0 {
		if uptime, err := strconv.ParseFloat(fields[0], 64); err == nil {
			metrics["uptimeSeconds"] = uptime
		}
	}
	for name, bytes := range memory() {
		metrics[name] = float64(bytes)
	}
	return metrics
}

// fact reads a short file of the kernel; nothing if there is none.
func fact(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// memory gives how much there is and how much is free for use, in bytes.
func memory() map[string]int64 {
	wanted := map[string]string{"MemTotal:": "memoryTotalBytes", "MemAvailable:": "memoryAvailableBytes"}
	found := map[string]int64{}
	for line := range strings.Lines(fact("/proc/meminfo")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || wanted[fields[0]] == "" {
			continue
		}
		if kilobytes, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			found[wanted[fields[0]]] = kilobytes << 10
		}
	}
	return found
}
