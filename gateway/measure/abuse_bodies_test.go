package measure

import (
	"context"
	"io"
	"slices"
	"strings"
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

// chosenShapes returns the hostile bodies that the attack names.
func (a *attack) chosenShapes() (chosen []hostileBody) {
	for _, shape := range hostileBodies(a.Devices[0].Session, a.Slow) {
		if slices.Contains(a.Shapes, shape.name) {
			chosen = append(chosen, shape)
		}
	}
	return chosen
}

// sendBodies sends bodies of the shapes in turn, many at the same time.
func (a *attacker) sendBodies(ctx context.Context) {
	a.inParallel(ctx, a.Bodies, func(i int) {
		shape := a.shapes[i%len(a.shapes)]
		sender := a.operator
		if shape.byDevice {
			sender = a.devices[0]
		}
		a.request(ctx, sender, "POST", shape.path, shape.body())
	})
}

// measureBodies sends hostile bodies of one tenant at once, and measures another tenant and the
// memory of the gateway. No rate limit keeps the bodies away.
func measureBodies(t *testing.T, size abuse) {
	s := newSite(t)
	tenantID := gatewaytest.NewTenantID()
	d := newUnit(t, s, s, tenantID)
	a := attack{
		Operator: s.Token(tenantID, "mallory", "operator"), Devices: []attackDevice{{d.token, d.session}},
		Bodies: size.bodies, Slow: size.slow, Duration: size.each,
	}
	columns := append([]string{"bodies", "responses"}, columnsOfExperience...)
	table := newTable(append(columns, "CPU gateway, each body", "**peak memory**")...)
	run := func(name string, shapes ...string) {
		t.Run(name, func(t *testing.T) {
			s.resetPeak(t)
			a.Shapes = shapes
			n, before := startNeighbour(t, s, s, 0), cpuTime(t, s.pid)
			got := a.from(t, s)
			cpu := (cpuTime(t, s.pid) - before) / time.Duration(max(got.Seen.total(), 1))
			e := n.stop(t)
			s.requireAlive(t)
			table.row(append(append([]string{name, got.Seen.String()}, e.cells()...), ms(cpu), mib(s.peakMemory(t)))...)
		})
	}
	run("none")
	var all []string
	for _, shape := range hostileBodies("", 0) {
		run(shape.name, shape.name)
		all = append(all, shape.name)
	}
	run("all of them, mixed", all...)
	publish(t, size.extent, "abuse-bodies", table)
}
