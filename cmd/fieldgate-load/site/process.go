// Package site starts the gateways and the Redis of a load test as processes of this machine.
package site

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// Process is a process that the load test has started.
type Process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	data   func() int64 // used_memory of a Redis server; nil for another program
	used   time.Duration
}

// start starts a process. Its error output goes to w.
func start(name string, cmd *exec.Cmd, w io.Writer) (*Process, error) {
	cmd.Stderr = w
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Watch returns a Process for a process that another package has started, to read its usage.
func Watch(name string, cmd *exec.Cmd) *Process { return &Process{name: name, cmd: cmd} }

// kill ends the process with SIGKILL and waits for its end.
func (p *Process) kill() {
	_ = p.cmd.Process.Kill() // it fails if the process has ended
	<-p.exited
}

// terminate sends SIGTERM.
func (p *Process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	return nil
}

// Usage returns what the process used since the last call, which was some time ago.
func (p *Process) Usage(since time.Duration) report.Usage {
	used := p.cpuTime()
	u := report.Usage{Name: p.name, Cores: max(used-p.used, 0).Seconds() / since.Seconds(), RSS: p.resident()}
	p.used = used
	if p.data != nil {
		u.Data = p.data()
	}
	return u
}

// ticksPerSecond is the unit of processor times in /proc, which is the same on all architectures of
// Linux (proc(5), sysconf(3)).
const ticksPerSecond = 100

// cpuTime returns the processor time of the process, or zero if it is not known.
func (p *Process) cpuTime() time.Duration {
	_, fields, _ := bytes.Cut(p.file("stat"), []byte(") ")) // the name before it may have spaces
	values := bytes.Fields(fields)
	if len(values) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(values[11]), 10, 64)
	system, _ := strconv.ParseInt(string(values[12]), 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// resident returns the resident memory of the process in bytes, or zero if it is not known.
func (p *Process) resident() int64 {
	values := bytes.Fields(p.file("statm"))
	if len(values) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(values[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// file returns a file of the process in /proc, or nil if there is none.
func (p *Process) file(name string) []byte {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name))
	if err != nil {
		return nil
	}
	return content
}

// freePort returns a port that no process listens on. Another process may take it before it is used.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
