package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the result of a load test.
type Report struct {
	Machine   string  `json:"machine"`
	Devices   int     `json:"devices"`
	Instances int     `json:"instances"` // that the program started; zero if they ran already
	Redis     int     `json:"redis"`     // masters that the program started
	Processes int     `json:"processes"` // that played the fleet
	Phases    []Phase `json:"phases"`
	Ledger    Ledger  `json:"ledger"`
}

// Failed reports whether a command was lost or ran twice, or a phase failed.
func (r *Report) Failed() bool {
	return len(r.Ledger.Violations) > 0 || slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.Failure != "" })
}

// WriteText writes the report for a reader.
func (r *Report) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(out, "%s\n%d devices, %d instances, %d Redis, played by %d processes\n", r.Machine, r.Devices, r.Instances, r.Redis, r.Processes)
	for _, p := range r.Phases {
		p.write(out)
	}
	r.Ledger.write(out)
	return out.Flush()
}

func (p Phase) write(out io.Writer) {
	s := p.Sockets
	fmt.Fprintf(out, "\n%s: %.0f s, %d of %d sockets open, at least %d, %d lost", p.Name, p.Seconds, s.Open, s.Devices, s.Least, s.Lost)
	if s.AllBack > 0 {
		fmt.Fprintf(out, ", all back after %.1f s", s.AllBack.Seconds())
	}
	fmt.Fprintf(out, "\n")
	if p.Failure != "" {
		fmt.Fprintf(out, "FAILED: %s\n", p.Failure)
	}
	fmt.Fprintf(out, "  act\tdone\tper second\tp50\tp95\tp99\tmax\terrors\n")
	for _, name := range slices.Sorted(maps.Keys(p.Acts)) {
		took := p.Acts[name].Took
		fmt.Fprintf(out, "  %s\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\n", name, took.Total, float64(took.Total)/p.Seconds,
			milliseconds(took.Quantile(0.5)), milliseconds(took.Quantile(0.95)), milliseconds(took.Quantile(0.99)), milliseconds(took.Max), counts(p.Acts[name].Errors))
	}
	fmt.Fprintf(out, "  network\tfrom the gateway %.1f KiB/s\tto the gateway %.1f KiB/s\n", perSecond(p.Network.FromGateway, p), perSecond(p.Network.ToGateway, p))
	for _, u := range p.Usage {
		fmt.Fprintf(out, "  %s\t%.2f cores\t%.0f MiB resident", u.Name, u.Cores, mebibytes(u.RSS))
		if u.Data > 0 {
			fmt.Fprintf(out, "\t%.1f MiB of data", mebibytes(u.Data))
		}
		fmt.Fprintf(out, "\n")
	}
}

func (l Ledger) write(out io.Writer) {
	fmt.Fprintf(out, "\nledger: %d commands accepted, %d proposals without a known outcome, %d redelivered after their lease\n", l.Accepted, l.Unknown, l.Redelivered)
	fmt.Fprintf(out, "ended: %s\n", counts(l.Ended))
	if len(l.Violations) == 0 {
		fmt.Fprintf(out, "each accepted command ended exactly once\n")
		return
	}
	fmt.Fprintf(out, "VIOLATIONS: %s\n", counts(l.Violations))
	for _, example := range l.Examples {
		fmt.Fprintf(out, "  %s\n", example)
	}
}

// counts returns counts by name, in the order of the names.
func counts[N int | int64](of map[string]N) string {
	parts := make([]string, 0, len(of))
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(parts, ", ")
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// perSecond returns a number of bytes in KiB for each second of a phase.
func perSecond(bytes int64, p Phase) float64 { return float64(bytes) / 1024 / p.Seconds }
