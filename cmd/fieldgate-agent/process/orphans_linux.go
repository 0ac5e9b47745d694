package process

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// Bounds of the search for what is left over, a few seconds in all: what has got rights that
// the agent lacks, or hangs in the kernel, cannot be ended.
const (
	searches    = 100
	searchPause = 20 * time.Millisecond
)

// adopt makes the agent the parent of whatever loses its own below it, in whatever group or
// session that is. Without this (Linux before 3.4) such a process would be lost to init.
func adopt() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// endLeftovers kills all children of the agent, and then theirs, which become its own. It is
// only right while the agent runs no program that it wants to keep.
func endLeftovers() {
	for range searches {
		left := children(os.Getpid())
		if len(left) == 0 {
			return
		}
		if buried := endEach(left); !buried {
			time.Sleep(searchPause)
		}
	}
}

// endEach kills processes and buries those that are dead by now. It tells whether all are.
func endEach(pids []int) bool {
	all := true
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		buried, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		all = all && buried == pid && err == nil
	}
	return all
}

// children looks for them in the whole of /proc: the list of a thread's children is not in
// each kernel (proc_pid_task(5), CONFIG_PROC_CHILDREN).
func children(parent int) (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && parentOf(name) == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf reads the fourth field of proc_pid_stat(5). The second one, the name, is in
// brackets and may have any characters.
func parentOf(pid string) int {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
