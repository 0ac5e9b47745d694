package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attack describes what a hostile tenant does. It happens in a process of its own with the lowest
// priority, so that it takes no processor time from the gateway and from the other tenant.
type attack struct {
	URL      string
	Viewer   string // token
	Operator string // token
	Session  string // session with many commands
	Devices  []attackDevice
	Opening  time.Duration // time to open sockets before the attack begins
	Duration time.Duration // duration of the attack

	Shapes []string      // names of hostile bodies that are sent in turn
	Bodies int           // number of bodies at the same time
	Slow   time.Duration // time that a slow body takes

	Ways    []string // names of ways to spend the limit, all at the same time
	Sockets int      // number of sockets in the room of the tenant
}

type attackDevice struct{ Token, Session string }

// outcome holds the responses that the attacker has received.
type outcome struct {
	Seen   counts
	Frames int64 // over all sockets
}

// counts is the number of responses by status. Zero is a connection without a response.
type counts map[int]int

func (c counts) String() string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%d: %d", status, c[status]))
	}
	return strings.Join(parts, ", ")
}

func (c counts) total() (sum int) {
	for _, count := range c {
		sum += count
	}
	return sum
}

// from runs the attack on a gateway in a child process.
func (a attack) from(t testing.TB, at *site) (got outcome) {
	t.Helper()
	a.URL = at.child.URL
	line, _ := launch(t, exec.Command("nice", "-n", "19", os.Args[0]), "attack", settings{Attack: &a})
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	return got
}

// attacker is a running attack.
type attacker struct {
	attack
	shapes           []hostileBody
	viewer, operator principal
	devices          []principal
	begins           time.Time

	mu     sync.Mutex
	seen   counts
	frames atomic.Int64
}

// run runs the attack until its duration has passed.
func (a *attack) run(ctx context.Context) outcome {
	ctx, cancel := context.WithTimeout(ctx, a.Opening+a.Duration)
	defer cancel()
	r := &attacker{
		attack: *a, seen: counts{}, shapes: a.chosenShapes(), viewer: newPrincipal(a.URL, a.Viewer), operator: newPrincipal(a.URL, a.Operator),
		begins: time.Now().Add(a.Opening),
	}
	for _, d := range a.Devices {
		r.devices = append(r.devices, newPrincipal(a.URL, d.Token))
	}
	var all sync.WaitGroup
	for _, name := range a.Ways {
		all.Go(func() { ways[name](r, ctx) })
	}
	if len(r.shapes) > 0 {
		all.Go(func() { r.sendBodies(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	return outcome{Seen: r.seen, Frames: r.frames.Load()}
}

// refusedPause is the time that the attacker waits after a refusal. Without it, the refusals
// would take most of the time of its own process.
const refusedPause = 10 * time.Millisecond

// request sends a request and counts its status. The context ends a request that waits.
func (a *attacker) request(ctx context.Context, p principal, method, path string, body io.Reader) {
	status := p.send(ctx, method, path, body)
	if status == 0 && ctx.Err() != nil {
		return // the attack has ended
	}
	a.count(status)
	if status > 299 {
		time.Sleep(refusedPause)
	}
}

func (a *attacker) count(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[status]++
}

// send sends a request and returns the status, or 0 if there was no response. It reads the
// response to its end.
func (p principal) send(ctx context.Context, method, path string, body io.Reader) (status int) {
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, body)
	if err != nil {
		return 0
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + p.token}}
	resp, err := p.http.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// inParallel calls do from n goroutines, from the begin of the attack until the context ends.
func (a *attacker) inParallel(ctx context.Context, n int, do func(i int)) {
	time.Sleep(time.Until(a.begins))
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				do(i)
			}
		})
	}
	all.Wait()
}
