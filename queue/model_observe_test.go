package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// commandRecord holds those fields of a stored command that the model also has.
type commandRecord struct {
	Status    model.Status
	Session   string
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
	Required  int
	Votes     []model.Approval
	Glass     model.Approval
	Withdrawn string
}

// storedDevice holds the replies of Redis from which observe builds the state of a device.
type storedDevice struct {
	commands                *redis.MapStringStringCmd
	record                  *redis.SliceCmd
	ready, pending, cancels *redis.StringSliceCmd
	leases                  *redis.ZSliceCmd
	timeline                *redis.XMessageSliceCmd
	due                     map[string]*redis.FloatCmd
	sessions                map[string]*redis.SliceCmd
	results                 map[string]*redis.StringCmd
}

// readStored reads everything that the store holds about the device, in one round trip.
func (f *modelFixture) readStored() storedDevice {
	d := storedDevice{due: map[string]*redis.FloatCmd{}, sessions: map[string]*redis.SliceCmd{}, results: map[string]*redis.StringCmd{}}
	f.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		d.record, d.commands = pipe.HMGet(ctx, f.device.RecordKey(), "status", "session", "instance", "conflict"), pipe.HGetAll(ctx, f.device.CommandsKey())
		d.ready, d.pending = pipe.ZRange(ctx, f.key(readyKey), 0, -1), pipe.ZRange(ctx, f.key(pendingKey), 0, -1)
		d.leases, d.cancels = pipe.ZRangeWithScores(ctx, f.key(leasesKey), 0, -1), pipe.SMembers(ctx, f.key(cancelsKey))
		d.timeline = pipe.XRange(ctx, f.device.TimelineKey(), "-", "+")
		for name, id := range f.ids {
			d.due[name] = pipe.ZScore(ctx, f.key(dueKey), f.dueMemberOf(name))
			if name[0] == 's' {
				d.sessions[name] = pipe.HMGet(ctx, store.SessionKey(id), "status", "expires", "closed")
			} else {
				d.results[name] = pipe.Get(ctx, store.ResultKey(id))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		return nil
	})
	return d
}

// observe reads the stored data of the device and converts it to a state of the model.
func (f *modelFixture) observe() model.State {
	d := f.readStored()
	record := store.Reply(d.record.Val())
	s := model.State{
		Now: f.model.State().Now, Policy: f.model.State().Policy, Device: record.String(0), Session: f.names[record.String(1)],
		Instance: record.String(2), Conflict: record.String(3) != "",
		Sessions: map[string]model.Session{}, Commands: map[string]model.Command{}, Index: f.indexOf(d),
	}
	for name, found := range d.sessions {
		fields := store.Reply(found.Val())
		s.Sessions[name] = model.Session{Status: fields.String(0), Expires: f.modelTime(fields.Int(1)), Ended: f.modelTime(fields.Int(2))}
	}
	timelines := f.timelinesOf(d)
	for id, raw := range d.commands.Val() {
		if !strings.Contains(id, ":") {
			c := f.commandOf(id, raw)
			c.Type = typeOf(d.commands.Val()[id+":body"])
			c.Timeline, c.Result = timelines[c.ID], resultOf(c, d.resultOf(id, c.ID))
			s.Commands[c.ID] = c
		}
	}
	return s
}

func (f *modelFixture) indexOf(d storedDevice) model.Index {
	index := model.Index{Leases: map[string]int64{}, Due: map[string]int64{}}
	index.Ready, index.Pending, index.Cancels = f.namesOf(d.ready), f.namesOf(d.pending), f.namesOf(d.cancels)
	slices.Sort(index.Cancels)
	for _, z := range d.leases.Val() {
		index.Leases[f.names[fmt.Sprint(z.Member)]] = f.modelTime(int64(z.Score))
	}
	for name, score := range d.due {
		if score.Err() == nil {
			index.Due[name] = f.modelTime(int64(score.Val()))
		}
	}
	return index
}

func (f *modelFixture) namesOf(found *redis.StringSliceCmd) (names []string) {
	for _, id := range found.Val() {
		names = append(names, f.names[id])
	}
	return names
}

// timelinesOf returns the types of each command's events, in order. It marks the type of an
// event whose session is not the command's session, so that the comparison with the model
// fails.
func (f *modelFixture) timelinesOf(d storedDevice) map[string][]string {
	timelines, commands := map[string][]string{}, f.model.State().Commands
	for _, entry := range d.timeline.Val() {
		e := store.ParseEvent(entry)
		if e.Command == "" {
			continue
		}
		event, name := strings.TrimPrefix(e.Type, "command."), f.names[e.Command]
		if (event == "vote_withdrawn" || event == "released") && strings.Contains(string(e.Data), `"pending_approval"`) {
			event += " to pending_approval"
		}
		if e.Session != f.ids[commands[name].Session] {
			event += " in another session"
		}
		timelines[name] = append(timelines[name], event)
	}
	return timelines
}

// commandOf converts a stored state to a command of the model.
func (f *modelFixture) commandOf(id, raw string) model.Command {
	var r commandRecord
	err := f.store.Do(f.t.Context(), "test", func(ctx context.Context, c store.Client) (err error) {
		raw, err = storetest.StateJSON(ctx, c, raw)
		return err
	})
	if err == nil {
		err = json.Unmarshal([]byte(raw), &r)
	}
	if err != nil {
		return model.Command{ID: f.names[id], Result: err.Error()}
	}
	if r.Token != "" && f.names[r.Token] == "" {
		f.names[r.Token] = fmt.Sprintf("%s#%d", f.names[id], r.Claims) // the claim was taken back, so that the device does not have its token
	}
	c := model.Command{
		ID: f.names[id], Session: f.names[r.Session], Proposer: userOf(r.Proposer), Reviewed: r.ApproveBy != 0,
		Priority: r.Priority, MaxAttempts: r.Max, Seq: r.Seq, ApproveBy: f.modelTime(r.ApproveBy), DeliverBy: f.modelTime(r.DeliverBy),
		Status: r.Status, Attempt: r.Attempt, Claims: r.Claims,
		FirstClaim: f.modelTime(r.First), VisibleUntil: f.modelTime(r.Visible), FinishedAt: f.modelTime(r.Finished),
		Token: f.names[r.Token], Released: r.Returned, CancelRequested: r.Cancel, Late: r.Late,
		Approval: model.Approval{Decision: r.Approval.Decision, By: userOf(r.Approval.By), Glass: r.Approval.Glass},
		Result:   r.Result, Required: r.Required, Broken: userOf(r.Glass.By), Withdrawn: userOf(r.Withdrawn),
	}
	for _, vote := range r.Votes {
		c.Votes = append(c.Votes, userOf(vote.By))
	}
	for _, hash := range strings.Fields(r.Past) {
		c.PastTokens = append(c.PastTokens, f.names[hash])
	}
	return c
}

// resultOf returns the stored result of a command, which is beside its state or under a key of its own.
func (d storedDevice) resultOf(id, name string) string {
	stored := d.commands.Val()[id+":result"]
	if earlier := d.results[name]; stored == "" && earlier != nil {
		return earlier.Val()
	}
	return stored
}

// resultOf returns the status and the output of a command that has a result. The command's own
// record contains only a hash of the result.
func resultOf(c model.Command, stored string) string {
	if c.Result == "" {
		return ""
	}
	var content struct{ Output string }
	if err := json.Unmarshal([]byte(stored), &content); err != nil {
		return err.Error()
	}
	return string(c.Status) + " " + content.Output
}

// typeOf returns the type of the command with a stored body.
func typeOf(body string) model.Type {
	var content struct{ Type string }
	if err := json.Unmarshal([]byte(body), &content); err != nil {
		return model.Type(err.Error())
	}
	for of, name := range typesOf {
		if name == content.Type {
			return of
		}
	}
	return model.Type(content.Type)
}

func userOf(actor string) string { return strings.TrimPrefix(actor, "user:") }
