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

// Bounds of killOrphans, a few seconds in all. They are needed because a process with more
// rights than the agent, or one that hangs in the kernel, cannot be killed.
const (
	killRounds = 100
	killPause  = 20 * time.Millisecond
)

// becomeSubreaper makes the agent the parent of every descendant whose own parent ends, in
// any process group or session. On Linux before 3.4, which cannot do that, init becomes the
// parent and such a process is not found.
func becomeSubreaper() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// killOrphans kills all children of the agent, and then their children, which become
// children of the agent. It must not be called while a program runs that is to go
// on.
func killOrphans() {
	for range killRounds {
		pids := children(os.Getpid())
		if len(pids) == 0 {
			return
		}
		if reaped := killAndReap(pids); !reaped {
			time.Sleep(killPause)
		}
	}
}

// killAndReap kills processes, reaps those that are dead already, and reports whether it has
// reaped all of them.
func killAndReap(pids []int) bool {
	all := true
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		reaped, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		all = all && reaped == pid && err == nil
	}
	return all
}

// children returns the processes with the given parent. It searches all of /proc, because
// not every kernel lists the children of a thread (proc_pid_task(5), CONFIG_PROC_CHILDREN).
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

// parentOf returns the parent of a process, which is the fourth field of proc_pid_stat(5), or
// zero if it cannot be read. The second field, the name in parentheses, may contain any
// character, so parentOf counts from the last parenthesis.
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
