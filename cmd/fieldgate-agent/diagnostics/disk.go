package diagnostics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// fileSystem describes one file system in the result.
type fileSystem struct {
	Mount       string  `json:"mount"`
	Type        string  `json:"type"`
	Bytes       int64   `json:"bytes"`
	Free        int64   `json:"freeBytes"` // number of bytes available to users other than root
	UsedPercent float64 `json:"usedPercent"`
	Inodes      uint64  `json:"inodes"`
	FreeInodes  uint64  `json:"freeInodes"`
	ReadOnly    bool    `json:"readOnly"`
}

// listFileSystems handles diagnostic.disk {}. It returns the usage of the file systems on the
// machine's disks. It fails with not_available if the kernel does not list the file systems.
func listFileSystems(ctx context.Context, _ noParameters) (agent.Result, error) {
	mounts := mountPoints(readTrimmed("/proc/self/mountinfo"))
	if len(mounts) == 0 {
		return agent.Result{}, agent.Fail("not_available", "the kernel does not list the mounted file systems")
	}
	var text strings.Builder
	found := []fileSystem{}
	for _, m := range mounts {
		if ctx.Err() != nil {
			return agent.Result{}, ctx.Err()
		}
		if fs, ok := m.stat(); ok {
			found = append(found, fs)
			fmt.Fprintf(&text, "%s (%s): %s of %s free, %.0f %% used\n", fs.Mount, fs.Type, size(fs.Free), size(fs.Bytes), fs.UsedPercent)
		}
	}
	return agent.Result{Output: text.String(), Data: map[string]any{"fileSystems": found}}, nil
}

// A mount is a mounted file system. systemd mounts everything read-only for the agent. Therefore
// readOnly is taken from the options of the file system, and not from those of the mount.
type mount struct {
	point, fsType string
	readOnly      bool
}

// maxMounts limits the number of file systems in the result, because a machine with many
// containers has many mounts.
const maxMounts = 50

// mountPoints parses the kernel's list of mounts (proc_pid_mountinfo(5)). It returns only file
// systems on local disks, because querying a network file system may block forever. It returns
// each block device once.
func mountPoints(list string) (mounts []mount) {
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		before, after, found := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 || !onDisk[right[0]] || seen[left[2]] || len(mounts) == maxMounts {
			continue
		}
		seen[left[2]] = true
		mounts = append(mounts, mount{unescape.Replace(left[4]), right[0], readOnly(right[2])})
	}
	return mounts
}

// onDisk contains the file system types that are used on local disks.
var onDisk = map[string]bool{
	"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "f2fs": true, "vfat": true, "exfat": true,
	"ntfs3": true, "zfs": true, "ubifs": true, "jffs2": true, "squashfs": true, "erofs": true, "overlay": true, "tmpfs": true,
}

// unescape replaces the octal escapes that the kernel writes for space, tab, newline and
// backslash.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// readOnly reports whether the options of a file system include "ro".
func readOnly(options string) bool { return slices.Contains(strings.Split(options, ","), "ro") }
