package measure

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// table is a Markdown table.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := new(table)
	t.row(columns...)
	t.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	return t
}

func (t *table) row(cells ...string) { fmt.Fprintf(t, "| %s |\n", strings.Join(cells, " | ")) }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f us", d.Seconds()*1e6) }
func kib(bytes float64) string  { return fmt.Sprintf("%.2f KiB", bytes/1024) }
func integer(n float64) string  { return fmt.Sprintf("%.0f", n) }

func yesOrNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// publish prints a description of the machine and a table. If e.document is not empty,
// publish also writes both into that file, between the two comments that contain name.
func publish(t testing.TB, e extent, name string, rows *table) {
	t.Helper()
	text := fmt.Sprintf("%s\n%s\n", machine(), rows.String())
	fmt.Printf("\n%s\n", text)
	if e.document == "" {
		return
	}
	document, err := os.ReadFile(e.document)
	require.NoError(t, err)
	begin, end := "<!-- measured: "+name+" -->\n", "<!-- end of "+name+" -->"
	head, rest, found := strings.Cut(string(document), begin)
	require.True(t, found, "%s has no place for %s", e.document, name)
	_, tail, found := strings.Cut(rest, end)
	require.True(t, found)
	require.NoError(t, os.WriteFile(e.document, []byte(head+begin+text+end+tail), 0o644))
}

// machine describes the machine and its load.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	cpu := "an unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, after, _ := strings.Cut(string(info), "model name")
		line, _, _ := strings.Cut(after, "\n")
		cpu = strings.Trim(line, "\t :")
	}
	return fmt.Sprintf("%d cores (%s), %s, load average at the end %s.\n",
		runtime.NumCPU(), cpu, runtime.Version(), strings.Join(strings.Fields(string(load))[:1], ""))
}

func readStat(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return string(text), err
}
