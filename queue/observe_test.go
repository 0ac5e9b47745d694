package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// kept is the part of a command's record that the model has, too.
type kept struct {
	Status    model.Status
	Session   string
	Request   string
	Proposer  string
	Priority  int
	Max       int
	Seq       int
	Attempt   int
	Claims    int
	ApproveBy int64 `json:"approve_by"`
	DeliverBy int64 `json:"deliver_by"`
	First     int64
	Visible   int64
	Finished  int64
	Token     string
	Past      string
	Returned  bool
	Cancel    bool
	Late      bool
	Result    string
	Approval  model.Approval
}

// looked is what a look at the store gave, before it is put into the model's words.
type looked struct {
	commands              *redis.MapStringStringCmd
	record                *redis.SliceCmd
	ready, pending, marks *redis.StringSliceCmd
	leases                *redis.ZSliceCmd
	timeline              *redis.XMessageSliceCmd
	due                   map[string]*redis.FloatCmd
	sessions              map[string]*redis.SliceCmd
	results               map[string]*redis.StringCmd
}

func (w *twin) look() looked {
	l := looked{due: map[string]*redis.FloatCmd{}, sessions: map[string]*redis.SliceCmd{}, results: map[string]*redis.StringCmd{}}
	key := w.device.Keys()
	w.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		l.record, l.commands = pipe.HMGet(ctx, key[0], "status", "session"), pipe.HGetAll(ctx, key[1])
		l.ready, l.pending = pipe.ZRange(ctx, key[3], 0, -1), pipe.ZRange(ctx, key[4], 0, -1)
		l.leases, l.marks = pipe.ZRangeWithScores(ctx, key[5], 0, -1), pipe.SMembers(ctx, key[6])
		l.timeline = pipe.XRange(ctx, key[7], "-", "+")
		for name, id := range w.ids {
			l.due[name] = pipe.ZScore(ctx, key[10], w.member(name))
			if name[0] == 's' {
				l.sessions[name] = pipe.HMGet(ctx, store.SessionKey(id), "status", "expires", "closed")
			} else {
				l.results[name] = pipe.Get(ctx, store.ResultKey(id))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
			return err
		}
		return nil
	})
	return l
}

// observe reads the device out of the store, as a state of the model.
func (w *twin) observe() model.State {
	l := w.look()
	record := store.Reply(l.record.Val())
	s := model.State{
		Now: w.model.State().Now, Device: record.String(0), Session: w.names[record.String(1)],
		Sessions: map[string]model.Session{}, Commands: map[string]model.Command{}, Index: w.index(l),
	}
	for name, found := range l.sessions {
		fields := store.Reply(found.Val())
		s.Sessions[name] = model.Session{Status: fields.String(0), Until: w.minute(fields.Int(1)), Ended: w.minute(fields.Int(2))}
	}
	told := w.told(l)
	for id, raw := range l.commands.Val() {
		if !strings.Contains(id, ":") {
			c := w.command(id, raw)
			c.Timeline, c.Result = told[c.ID], result(c, l.results[c.ID])
			s.Commands[c.ID] = c
		}
	}
	return s
}

func (w *twin) index(l looked) model.Index {
	index := model.Index{Leases: map[string]int64{}, Due: map[string]int64{}}
	index.Ready, index.Pending, index.Cancels = w.named(l.ready), w.named(l.pending), w.named(l.marks)
	slices.Sort(index.Cancels)
	for _, z := range l.leases.Val() {
		index.Leases[w.names[fmt.Sprint(z.Member)]] = w.minute(int64(z.Score))
	}
	for name, score := range l.due {
		if score.Err() == nil {
			index.Due[name] = w.minute(int64(score.Val()))
		}
	}
	return index
}

func (w *twin) named(found *redis.StringSliceCmd) (names []string) {
	for _, id := range found.Val() {
		names = append(names, w.names[id])
	}
	return names
}

// told reads the timeline: the events of each command, in their order. One that
// names another session than its command's is marked, so that it is seen.
func (w *twin) told(l looked) map[string][]string {
	told, commands := map[string][]string{}, w.model.State().Commands
	for _, entry := range l.timeline.Val() {
		id, _ := entry.Values["command"].(string)
		if id == "" {
			continue
		}
		event, name := strings.TrimPrefix(entry.Values["type"].(string), "command."), w.names[id]
		if entry.Values["session"] != w.ids[commands[name].Session] {
			event += " in another session"
		}
		told[name] = append(told[name], event)
	}
	return told
}

func (w *twin) command(id, raw string) model.Command {
	var k kept
	if err := json.Unmarshal([]byte(raw), &k); err != nil {
		return model.Command{ID: w.names[id], Result: err.Error()}
	}
	c := model.Command{
		ID: w.names[id], Session: w.names[k.Session], Proposer: user(k.Proposer), Reviewed: k.ApproveBy != 0,
		Priority: k.Priority, Max: k.Max, Seq: k.Seq, ApproveBy: w.minute(k.ApproveBy), DeliverBy: w.minute(k.DeliverBy),
		Status: k.Status, Attempt: k.Attempt, Claims: k.Claims,
		First: w.minute(k.First), Visible: w.minute(k.Visible), Finished: w.minute(k.Finished),
		Token: w.names[k.Token], Returned: k.Returned, Cancel: k.Cancel, Late: k.Late,
		Approval: model.Approval{Decision: k.Approval.Decision, By: user(k.Approval.By)},
		Result:   k.Result,
	}
	for _, hash := range strings.Fields(k.Past) {
		c.Past = append(c.Past, w.names[hash])
	}
	return c
}

// result gives what a command's record and its stored result say together.
func result(c model.Command, stored *redis.StringCmd) string {
	if c.Result == "" || stored == nil {
		return c.Result
	}
	var content struct{ Output string }
	if err := json.Unmarshal([]byte(stored.Val()), &content); err != nil {
		return err.Error()
	}
	return string(c.Status) + " " + content.Output
}

func user(actor string) string { return strings.TrimPrefix(actor, "user:") }
