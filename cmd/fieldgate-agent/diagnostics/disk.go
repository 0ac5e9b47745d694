package diagnostics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

type fileSystem struct {
	Mount      string  `json:"mount"`
	Type       string  `json:"type"`
	Bytes      int64   `json:"bytes"`
	Free       int64   `json:"freeBytes"` // for those who are not root
	UsedPart   float64 `json:"usedPercent"`
	Inodes     uint64  `json:"inodes"`
	FreeInodes uint64  `json:"freeInodes"`
	ReadOnly   bool    `json:"readOnly"`
}

// disk is diagnostic.disk {}: how full the file systems on disks are. It fails with
// not_available where the kernel does not tell.
func disk(ctx context.Context, command agent.Command) (agent.Result, error) {
	if _, err := parameters[nothing](command); err != nil {
		return agent.Result{}, err
	}
	mounts := mountPoints(fact("/proc/self/mountinfo"))
	if len(mounts) == 0 {
		return agent.Result{}, agent.Fail("not_available", "the kernel does not tell what is mounted")
	}
	var text strings.Builder
	found := []fileSystem{}
	for _, m := range mounts {
		if ctx.Err() != nil {
			return agent.Result{}, ctx.Err()
		}
		if fs, ok := m.look(); ok {
			found = append(found, fs)
			fmt.Fprintf(&text, "%s (%s): %s of %s free, %.0f %% used\n", fs.Mount, fs.Type, size(fs.Free), size(fs.Bytes), fs.UsedPart)
		}
	}
	return agent.Result{Output: text.String(), Data: map[string]any{"fileSystems": found}}, nil
}

// A mount is a file system and where it is. Whether it is read-only is asked of the file
// system: under systemd all is mounted read-only for the agent alone.
type mount struct {
	point, kind string
	readOnly    bool
}

// maxMounts bounds the report of a machine full of containers.
const maxMounts = 50

// mountPoints reads the kernel's list (proc_pid_mountinfo(5)): each device once, and only
// what lies on disks of the machine. Looking at one of the network can hang for ever.
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

var onDisk = map[string]bool{
	"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "f2fs": true, "vfat": true, "exfat": true,
	"ntfs3": true, "zfs": true, "ubifs": true, "jffs2": true, "squashfs": true, "erofs": true, "overlay": true, "tmpfs": true,
}

// unescape undoes how the kernel writes what would end a field.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// readOnly reads the options of a file system.
func readOnly(options string) bool { return slices.Contains(strings.Split(options, ","), "ro") }

func (m mount) look() (fileSystem, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(m.point, &s); err != nil || s.Blocks == 0 {
		return fileSystem{}, false
	}
	block := int64(s.Bsize)
	total, free, available := int64(s.Blocks)*block, int64(s.Bfree)*block, int64(s.Bavail)*block
	fs := fileSystem{
		Mount: m.point, Type: m.kind, Bytes: total, Free: available,
		Inodes: s.Files, FreeInodes: s.Ffree, ReadOnly: m.readOnly,
	}
	if used := total - free; used+available > 0 {
		fs.UsedPart = 100 * float64(used) / float64(used+available)
	}
	return fs, true
}
