package process

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// Limits that make killOrphans return after a few seconds, even if some processes cannot be
// killed. A process cannot be killed if it has more rights than the agent, or if it hangs in the
// kernel.
const (
	killRounds = 100
	killPause  = 20 * time.Millisecond
)

// becomeSubreaper makes the agent the new parent of every descendant whose own parent ends, in
// any process group or session. Linux before 3.4 does not support subreapers: there, init
// becomes the parent, and killOrphans does not find the process.
func becomeSubreaper() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// killOrphans kills all children of the agent, except those for which skip returns true. Then the
// children of the killed processes become children of the agent, and are killed too. Do not call
// killOrphans while a program must keep running.
func killOrphans(skip func(pid int) bool) {
	for range killRounds {
		pids := slices.DeleteFunc(children(os.Getpid()), skip)
		if len(pids) == 0 {
			return
		}
		if reaped := killAndReap(pids); !reaped {
			time.Sleep(killPause)
		}
	}
}

// killAndReap kills the processes with the IDs pids, and reaps those that have died by then. It
// reports whether it has reaped all of them.
func killAndReap(pids []int) bool {
	all := true
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		reaped, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		all = all && reaped == pid && err == nil
	}
	return all
}

// children returns the IDs of the child processes of the process whose ID is parent. It searches
// all of /proc, because some kernels do not list the children of a thread (proc_pid_task(5),
// CONFIG_PROC_CHILDREN).
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

// parentOf returns the parent of process pid, or zero if it cannot be read. The parent is the
// fourth field of proc_pid_stat(5). The second field, a name in parentheses, may contain any
// character, so parentOf counts the fields after the last parenthesis.
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
