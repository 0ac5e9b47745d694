package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/verify"
)

// restoreCheckCommand checks a restored store before instances serve it. It changes nothing.
type restoreCheckCommand struct {
	storeFlags
}

// restored is the result of the command.
type restored struct {
	StoreID string        `json:"storeId"`
	Checks  []check       `json:"checks"`
	Survey  verify.Survey `json:"survey"`
	LostMs  int64         `json:"lostMs"` // time since the newest change
	Next    []string      `json:"next"`
}

// check is one check of a restored store.
type check struct {
	Name   string `json:"name"`
	Result string `json:"result"` // "ok", "warn" or "fail"
	Detail string `json:"detail"`
}

// errRestore is returned when a check has failed, so that the program exits with 1.
var errRestore = errors.New("do not serve this store yet: a check has failed")

// Run prints what the store is and what it holds. It returns an error if the store must not be
// served.
func (c *restoreCheckCommand) Run(ctx context.Context) error {
	return c.read(ctx, func(s *store.Store) error {
		facts, err := s.Inspect(ctx)
		if err != nil {
			return fmt.Errorf("inspecting the store: %w", err)
		}
		survey, err := verify.TakeSurvey(ctx, s, facts.Now)
		if err != nil {
			return fmt.Errorf("counting what the store holds: %w", err)
		}
		r := restored{StoreID: facts.ID, Checks: c.checks(facts, survey), Survey: survey, Next: nextSteps(survey)}
		if !survey.NewestChange.IsZero() {
			r.LostMs = facts.Now.Sub(survey.NewestChange).Milliseconds()
		}
		if err := c.show(r); err != nil {
			return err
		}
		for _, check := range r.Checks {
			if check.Result == "fail" {
				return errRestore
			}
		}
		return nil
	})
}

// checks returns the checks of a store. Opening the store has passed those that always end with ok
// here: a store that fails them cannot be opened.
func (c *restoreCheckCommand) checks(facts store.Facts, survey verify.Survey) []check {
	all := []check{
		{"id", "ok", "the store is " + facts.ID},
		{"schema", "ok", "this version reads schema " + facts.Schema},
		{"canary", "ok", "the store has what scripts wrote on " + facts.Canary.Format(time.RFC3339)},
		{"eviction", "ok", "no server evicts keys"},
		{"data", "ok", fmt.Sprintf("%d tenants, %d devices", survey.Tenants, survey.Devices)},
	}
	if c.StoreID == "" {
		all[0] = check{"id", "warn", "the store is " + facts.ID + ": set FIELDGATE_STORE_ID to it, so that no instance serves another one"}
	}
	if facts.Schema == "" {
		all[1] = check{"schema", "warn", "the data is of an earlier version: the first instance that serves it writes the schema"}
	}
	if facts.Canary.IsZero() {
		all[2] = check{"canary", "warn", "the store has no canary, because no instance of this version has used it"}
	}
	if survey.Devices == 0 {
		all[4] = check{"data", "fail", "the store has no device: the backup is empty or was not loaded"}
	}
	for _, server := range facts.Servers {
		all = append(all, serverChecks(server)...)
	}
	return all
}

// serverChecks returns the checks of one server.
func serverChecks(server store.ServerFacts) []check {
	all := []check{{"persistence", "ok", "the server writes an append-only file"}}
	switch {
	case !server.Persists:
		all[0] = check{"persistence", "warn", "the append-only file is off: unless your provider keeps every write in another way, run CONFIG SET appendonly yes"}
	case server.Rewrites:
		all[0] = check{"persistence", "warn", "the server is writing its first append-only file: wait until INFO persistence shows aof_rewrite_scheduled:0 and aof_rewrite_in_progress:0"}
	}
	if server.Replica {
		all = append(all, check{"role", "fail", "the server is a replica and refuses writes"})
	}
	return all
}

// nextSteps returns what an operator does before devices may reach the store.
func nextSteps(survey verify.Survey) (next []string) {
	if survey.ActiveSessions > 0 {
		next = append(next, "fieldgate admin sessions close --all --reason 'restored from a backup'")
	}
	return append(next, "fieldgate admin verify", "remove the rule of the load balancer that keeps devices out")
}

// show prints the result.
func (c *restoreCheckCommand) show(r restored) error {
	if c.JSON {
		return newEncoder(c.stdout).Encode(r)
	}
	list := c.list("CHECK", "RESULT", "DETAIL")
	for _, check := range r.Checks {
		_ = list.add(check, check.Name, check.Result, check.Detail)
	}
	if err := list.end(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(c.stdout)
	err := c.print(r, fields{
		{"newest change", newest(r)},
		{"active sessions", r.Survey.ActiveSessions},
		{"queued commands", r.Survey.Queued},
		{"pending approvals", r.Survey.Pending},
		{"claimed commands", fmt.Sprintf("%d, of which %d leases have expired", r.Survey.Claimed, r.Survey.ExpiredLeases)},
	})
	_, _ = fmt.Fprintln(c.stdout, "\nNext:")
	for i, step := range r.Next {
		_, _ = fmt.Fprintf(c.stdout, "%d. %s\n", i+1, step)
	}
	return err
}

// newest describes the newest change and the time for which changes are missing.
func newest(r restored) string {
	if r.Survey.NewestChange.IsZero() {
		return "none"
	}
	lost := (time.Duration(r.LostMs) * time.Millisecond).Round(time.Second)
	return fmt.Sprintf("%s, %s ago: what changed since then is lost", r.Survey.NewestChange.Format(time.RFC3339), lost)
}
