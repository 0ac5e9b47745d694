package measure

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// hostileBody is a body that costs much to decode, and where it is sent.
type hostileBody struct {
	name     string
	byDevice bool
	path     string
	body     func() io.Reader
}

// hugeBody is the size of a hostile body in bytes. It is the largest that any operation reads.
const hugeBody = 2 << 20

// resultPath is the path of a result for a command that does not exist.
const resultPath = "/api/v1/device/commands/cmd_none/result"

// hostileBodies returns bodies of all shapes. slow is the time that a slow body takes.
func hostileBodies(session string, slow time.Duration) []hostileBody {
	const head = `{"claimToken":"t","status":"succeeded",`
	repeated := func(before, part, after string, size int) func() io.Reader {
		text := before + strings.Repeat(part, (size-len(before)-len(after))/len(part)) + after
		return func() io.Reader { return strings.NewReader(text) }
	}
	result := func(name string, body func() io.Reader) hostileBody { return hostileBody{name, true, resultPath, body} }
	deep := 500_000
	return []hostileBody{
		{"equal names, ticket of a viewer", false, "/api/v1/customer/ws-tickets", repeated(`{`, `"":1,`, `"":1}`, hugeBody)},
		result("equal names, result", repeated(`{`, `"":1,`, `"":1}`, 1<<20)),
		result("as many values as allowed, result", repeated(head+`"data":{"a":[`, `1,`, `1]}}`, 130<<10)),
		result("nested arrays, result", repeated(head+`"data":{"a":`+strings.Repeat("[", deep), `1`, strings.Repeat("]", deep)+`}}`, 2*deep+100)),
		result("one long string, result", repeated(head+`"output":"`, `x`, `"}`, 256<<10)),
		result("one string that is too long, result", repeated(head+`"output":"`, `x`, `"}`, hugeBody)),
		result("escaped characters, result", repeated(head+`"output":"`, `\u00e4`, `"}`, 1<<20)),
		result("halves of surrogate pairs, result", repeated(head+`"output":"`, `\ud800`, `"}`, 1<<20)),
		{"parameters of 32 KiB, proposal", false, "/api/v1/customer/sessions/" + session + "/commands", repeated(`{"type":"denied","parameters":{"a":[`, `1,`, `1]}}`, 32<<10)},
		result("slow and chunked, result", func() io.Reader { return &slowBody{until: time.Now().Add(slow)} }),
	}
}

// slowBody is a list that arrives in small pieces and never ends.
type slowBody struct{ until time.Time }

// Read waits and returns a piece of the list.
func (s *slowBody) Read(p []byte) (int, error) {
	if time.Now().After(s.until) {
		return 0, io.EOF
	}
	time.Sleep(20 * time.Millisecond)
	return copy(p[:min(len(p), 8<<10)], strings.Repeat("[1,", len(p)/3+1)), nil
}

// measureBodies sends hostile bodies of one tenant at once, and measures another tenant and the
// memory of the gateway. No rate limit keeps the bodies away.
func measureBodies(t *testing.T, size abuse) {
	s := newSite(t)
	tenantID := gatewaytest.NewTenantID()
	attacker := newUnit(t, s, s, tenantID)
	viewer := newPrincipal(s.child.URL, s.Token(tenantID, "mallory", "operator"))
	columns := append([]string{"bodies", "responses"}, columnsOfExperience...)
	table := newTable(append(columns, "**peak memory**")...)
	run := func(name string, bodies []hostileBody) {
		s.resetPeak(t)
		n := startNeighbour(t, s, s)
		got := sendBodies(size, bodies, attacker.principal, viewer)
		e := n.stop(t)
		s.requireAlive(t)
		table.row(append(append([]string{name, got.String()}, e.cells()...), mib(s.peakMemory(t)))...)
	}
	run("none", nil)
	all := hostileBodies(attacker.session, size.slow)
	for _, one := range all {
		run(one.name, []hostileBody{one})
	}
	run("all of them, mixed", all)
	publish(t, size.extent, "abuse-bodies", table)
}

// sendBodies sends bodies of the shapes in turn, many at once. When all have responses, it sends
// the next ones. Without shapes, it only waits.
func sendBodies(size abuse, shapes []hostileBody, device, user principal) counts {
	got := counts{}
	if len(shapes) == 0 {
		time.Sleep(size.each)
		return got
	}
	var mu sync.Mutex
	for began := time.Now(); time.Since(began) < size.each; {
		var all sync.WaitGroup
		for i := range size.bodies {
			all.Go(func() {
				status := shapes[i%len(shapes)].send(device, user)
				mu.Lock()
				defer mu.Unlock()
				got[status]++
			})
		}
		all.Wait()
	}
	return got
}

func (h hostileBody) send(device, user principal) (status int) {
	sender := user
	if h.byDevice {
		sender = device
	}
	status, _ = sender.send("POST", h.path, h.body())
	return status
}
