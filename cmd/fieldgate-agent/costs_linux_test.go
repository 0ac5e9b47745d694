package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// measureSetting is the environment variable with the program whose costs are measured.
const measureSetting = "FIELDGATE_MEASURE_AGENT"

// measured is the duration for which an idle agent is measured.
const measured = 10 * time.Minute

// measuredCommands is the number of commands whose synced writes are counted.
const measuredCommands = 20

// TestMeasureCosts prints what the agent costs, and fails if an idle agent writes to the disk or a command
// costs more than two synced writes. The README of the agent states the figures.
func TestMeasureCosts(t *testing.T) {
	path := os.Getenv(measureSetting)
	if path == "" {
		t.Skip("run by make measure-agent")
	}
	b := newTestbed(t, gatewaytest.Start(t))
	link := newMeter(t, strings.TrimPrefix(b.URL, "http://"))
	a := b.startCommand(t, exec.Command(path), "FIELDGATE_URL=http://"+link.addr)
	b.execute(t, "diagnostic.system", map[string]any{})
	<-time.After(time.Minute) // the agent has connected and is idle
	writtenBefore, sentBefore, receivedBefore := a.number(t, "io", "write_bytes:"), link.sent.Load(), link.received.Load()
	<-time.After(measured)
	hours := measured.Hours()
	info, err := os.Stat(path)
	require.NoError(t, err)
	figure("program on disk", "%.1f MB", float64(info.Size())/1e6)
	figure("resident memory, idle", "%.1f MB", float64(a.number(t, "status", "VmRSS:"))*1024/1e6)
	figure("resident memory of its own", "%.1f MB", float64(a.number(t, "status", "RssAnon:"))*1024/1e6)
	figure("sent over an idle socket", "%.1f kB/h", float64(link.sent.Load()-sentBefore)/1e3/hours)
	figure("received over an idle socket", "%.1f kB/h", float64(link.received.Load()-receivedBefore)/1e3/hours)
	written := a.number(t, "io", "write_bytes:") - writtenBefore
	figure("written to the disk, idle", "%d bytes", written)
	require.Zero(t, written)

	syncs := a.countSyncs(t, func() {
		for range measuredCommands {
			b.execute(t, "diagnostic.system", map[string]any{})
		}
	})
	figure("synced writes a command", "%.2f", float64(syncs)/measuredCommands)
	require.LessOrEqual(t, syncs, 2*measuredCommands)
}

// figure prints a figure in a line that make measure-agent extracts.
func figure(name, format string, value any) {
	fmt.Printf("FIGURE %-32s "+format+"\n", name, value)
}

// number returns the number after a name in a file of the agent in /proc.
func (a *agent) number(t testing.TB, file, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", a.cmd.Process.Pid, file))
	require.NoError(t, err)
	_, rest, found := strings.Cut("\n"+string(text), "\n"+name)
	require.True(t, found, name)
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	require.NoError(t, err)
	return n
}

// countSyncs returns how often the agent syncs a file or a directory while work runs.
func (a *agent) countSyncs(t testing.TB, work func()) int {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	tracer := exec.Command("strace", "-f", "-q", "-e", "trace=fsync,fdatasync", "-o", log, "-p", strconv.Itoa(a.cmd.Process.Pid))
	require.NoError(t, tracer.Start())
	eventually(t, func() bool { return a.number(t, "status", "TracerPid:") != 0 }, "strace does not attach")
	work()
	require.NoError(t, tracer.Process.Signal(syscall.SIGINT))
	_ = tracer.Wait() // the signal ends it
	calls, err := os.ReadFile(log)
	require.NoError(t, err)
	return strings.Count(string(calls), "sync(")
}

// A meter is a TCP proxy that counts the bytes of its connections, without the headers of TCP.
type meter struct {
	addr           string
	sent, received atomic.Int64
}

// newMeter starts a meter in front of a server. It ends with the test.
func newMeter(t testing.TB, server string) *meter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	m := &meter{addr: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			go m.forward(upstream, client, &m.sent)
			go m.forward(client, upstream, &m.received)
		}
	}()
	return m
}

// forward copies from one connection to another, and adds the bytes to count.
func (m *meter) forward(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	_, _ = io.Copy(to, io.TeeReader(from, counter{count}))
}

// A counter counts the bytes that are written to it.
type counter struct{ *atomic.Int64 }

// Write counts p. It never fails.
func (c counter) Write(p []byte) (int, error) {
	c.Add(int64(len(p)))
	return len(p), nil
}
