package program

import (
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// These configure the garbage collector of a process in a container. The limit leaves a tenth of the
// container's memory for what the Go runtime does not count. It makes the collector run as often as
// needed, so gcPercent may let garbage grow to twice the memory in use, which halves the work of the
// collector.
const (
	limitShare = 0.9
	gcPercent  = 200
)

// TuneMemory sets the memory limit of the Go runtime from that of the container, and lets the garbage
// collector run less often. The variables GOMEMLIMIT and GOGC keep their meaning. Without any
// limit, TuneMemory changes nothing, because nothing would bound the garbage.
func TuneMemory(log *slog.Logger) {
	limit := debug.SetMemoryLimit(-1) // that of GOMEMLIMIT, if it is set
	if container, found := containerLimit(os.DirFS("/")); found && os.Getenv("GOMEMLIMIT") == "" {
		limit = int64(limitShare * float64(container))
		debug.SetMemoryLimit(limit)
	}
	if limit == math.MaxInt64 {
		return
	}
	percent := os.Getenv("GOGC")
	if percent == "" {
		percent = strconv.Itoa(gcPercent)
		debug.SetGCPercent(gcPercent)
	}
	log.Info("limiting the memory of the Go runtime", "bytes", limit, "gogc", percent)
}

// unlimited is the least value that a cgroup of version 1 has as its limit if it has none. The value
// depends on the size of a page.
const unlimited = 1 << 60

// containerLimit returns the memory limit of the process in bytes: the least of those of its cgroup
// and of all above it. It returns false if there is none, or if the system has no cgroups. The root
// is that of the file system.
func containerLimit(root fs.FS) (limit int64, found bool) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	limit = unlimited
	for line := range strings.Lines(string(text)) {
		for _, file := range limitFiles(strings.TrimSpace(line)) {
			if n, err := readLimit(root, file); err == nil {
				limit = min(limit, n)
			}
		}
	}
	return limit, limit < unlimited
}

// limitFiles returns the files that may have a memory limit, for a line of /proc/self/cgroup: see
// cgroups(7). In a container, the files at the root of the hierarchy may be those of the container.
func limitFiles(line string) (files []string) {
	f := strings.SplitN(line, ":", 3)
	if len(f) != 3 {
		return nil
	}
	base, name := "sys/fs/cgroup", "memory.max" // version 2, whose line has no controllers
	if f[1] == "memory" {
		base, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
	} else if f[1] != "" {
		return nil
	}
	for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
		files = append(files, path.Join(base, dir, name))
		if dir == "/" {
			return files
		}
	}
}

// readLimit reads a limit in bytes. It returns an error for "max", which is no limit.
func readLimit(root fs.FS, file string) (int64, error) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
