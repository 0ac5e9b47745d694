package diagnostics

import "syscall"

// stat returns the usage of a file system. It returns false if the usage cannot be read or the
// size is zero.
func (m mount) stat() (fileSystem, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(m.point, &s); err != nil || s.Blocks == 0 {
		return fileSystem{}, false
	}
	block := int64(s.Bsize)
	total, free, available := int64(s.Blocks)*block, int64(s.Bfree)*block, int64(s.Bavail)*block
	fs := fileSystem{
		Mount: m.point, Type: m.fsType, Bytes: total, Free: available,
		Inodes: s.Files, FreeInodes: s.Ffree, ReadOnly: m.readOnly,
	}
	if used := total - free; used+available > 0 {
		fs.UsedPercent = 100 * float64(used) / float64(used+available)
	}
	return fs, true
}
