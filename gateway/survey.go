package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// These bound the surveys. After a survey, no instance takes another for restFactor times as long as
// the survey took, so that it uses at most a tenth of one connection to Redis.
const (
	surveyTurn     = time.Minute      // time after which another instance takes over from one that does not go on
	surveyLifetime = 10 * time.Minute // time for which a survey is shown
	restFactor     = 10
	topTenants     = 10 // number of tenants that are shown for each quota
)

// survey is the result of one survey of all tenants.
type survey struct {
	At      int64       `json:"at"`   // time of its begin by the clock of the store, in Unix ms
	Took    int64       `json:"took"` // in ms
	Tenants int         `json:"tenants"`
	Ready   backlog     `json:"ready"`
	Pending backlog     `json:"pending"`
	Top     []tenantUse `json:"top"` // for each quota, the tenants that use most of their limit
}

// backlog describes the commands of all tenants in one status.
type backlog struct {
	Commands int64 `json:"commands"`
	Oldest   int64 `json:"oldest"` // since when the oldest waits, in Unix ms; 0 if there is none
}

func (b *backlog) add(commands int64, oldest time.Time) {
	b.Commands += commands
	if at := oldest.UnixMilli(); !oldest.IsZero() && (b.Oldest == 0 || at < b.Oldest) {
		b.Oldest = at
	}
}

// ageAt returns for how many seconds the oldest command had waited at a time.
func (b backlog) ageAt(ms int64) float64 {
	if b.Oldest == 0 {
		return 0
	}
	return float64(max(ms-b.Oldest, 0)) / 1000
}

// tenantUse is the use of one quota by one tenant.
type tenantUse struct {
	Tenant string     `json:"tenant"`
	Quota  quota.Name `json:"quota"`
	Used   int64      `json:"used"`
	Limit  int64      `json:"limit"` // 0: no limit
}

// share returns the share of the limit that is used. Without a limit it is zero.
func (u tenantUse) share() float64 {
	if u.Limit == 0 {
		return 0
	}
	return float64(u.Used) / float64(u.Limit)
}

// surveyor surveys what all tenants use and what waits for their devices and approvers. One instance
// takes each survey and keeps it in the store, and all instances export it. A scrape reads nothing.
type surveyor struct {
	store  *store.Store
	queue  *queue.Queue
	quotas *quota.Service
	every  time.Duration
	log    *slog.Logger
	last   atomic.Pointer[survey] // nil if none is known, or if it is too old
}

// run takes surveys and reads those of other instances until ctx ends.
func (s *surveyor) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.once(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "surveying the tenants failed", "error", err)
		}
		store.Sleep(ctx, s.every)
	}
}

// once takes a survey if it is the turn of this instance, and reads the newest one.
func (s *surveyor) once(ctx context.Context) error {
	mine, err := s.takeTurn(ctx)
	if err != nil {
		return fmt.Errorf("taking a turn: %w", err)
	}
	if mine {
		found, err := s.take(ctx)
		if err != nil {
			return err
		}
		if err := s.publish(ctx, found); err != nil {
			return fmt.Errorf("keeping a survey: %w", err)
		}
	}
	return s.read(ctx)
}

// takeTurn reports whether this instance takes the next survey.
func (s *surveyor) takeTurn(ctx context.Context) (mine bool, err error) {
	err = s.store.Do(ctx, "survey_turn", func(ctx context.Context, c store.Client) (err error) {
		mine, err = c.SetNX(ctx, store.SurveyTurnKey, 1, surveyTurn).Result()
		return err
	})
	return mine, err
}

// extendTurn lets no other instance take a survey for a time.
func (s *surveyor) extendTurn(ctx context.Context, by time.Duration) error {
	return s.store.Do(ctx, "survey_turn", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, store.SurveyTurnKey, 1, by).Err()
	})
}

// take surveys all tenants.
func (s *surveyor) take(ctx context.Context) (*survey, error) {
	begin := time.Now()
	found, extended := new(survey), begin
	err := s.store.Do(ctx, "survey_time", func(ctx context.Context, c store.Client) error {
		now, err := c.Time(ctx).Result()
		found.At = now.UnixMilli()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the time: %w", err)
	}
	for tenant, err := range s.store.Tenants(ctx) {
		if err == nil {
			err = s.add(ctx, found, tenant)
		}
		if err == nil && time.Since(extended) > surveyTurn/4 {
			extended, err = time.Now(), s.extendTurn(ctx, surveyTurn)
		}
		if err != nil {
			return nil, fmt.Errorf("surveying a tenant: %w", err)
		}
	}
	found.Took = time.Since(begin).Milliseconds()
	return found, nil
}

// add adds a tenant to a survey.
func (s *surveyor) add(ctx context.Context, found *survey, tenant string) error {
	limits, used, err := s.quotas.Usage(ctx, tenant)
	if err != nil {
		return err
	}
	ready, err := s.queue.OldestReady(ctx, tenant, used.ReadyCommands)
	if err != nil {
		return err
	}
	var pending time.Time
	if used.PendingApprovals > 0 {
		if pending, err = s.queue.OldestPending(ctx, tenant); err != nil {
			return err
		}
	}
	found.Tenants++
	found.Ready.add(used.ReadyCommands, ready)
	found.Pending.add(used.PendingApprovals, pending)
	for _, name := range quota.Names() {
		if n := *used.Field(name); n > 0 {
			found.rank(tenantUse{tenant, name, n, *limits.Field(name)})
		}
	}
	return nil
}

// rank adds a use, and removes the lowest one of the same quota if there are too many.
func (f *survey) rank(use tenantUse) {
	lowest, count := -1, 0
	f.Top = append(f.Top, use)
	for i, other := range f.Top {
		if other.Quota != use.Quota {
			continue
		}
		count++
		if lowest < 0 || cmp.Or(cmp.Compare(other.share(), f.Top[lowest].share()), cmp.Compare(other.Used, f.Top[lowest].Used)) < 0 {
			lowest = i
		}
	}
	if count > topTenants {
		f.Top = slices.Delete(f.Top, lowest, lowest+1)
	}
}

// publish keeps a survey in the store, and lets the instances rest.
func (s *surveyor) publish(ctx context.Context, found *survey) error {
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	err = s.store.Do(ctx, "survey_keep", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, store.SurveyKey, text, surveyLifetime).Err()
	})
	rest := time.Duration(found.Took) * restFactor * time.Millisecond
	return errors.Join(err, s.extendTurn(ctx, max(rest, s.every)))
}

// read reads the newest survey.
func (s *surveyor) read(ctx context.Context) error {
	var text []byte
	err := s.store.Do(ctx, "survey_read", func(ctx context.Context, c store.Client) (err error) {
		text, err = c.Get(ctx, store.SurveyKey).Bytes()
		return err
	})
	if errors.Is(err, redis.Nil) {
		s.last.Store(nil)
		return nil
	}
	newest := new(survey)
	if err == nil {
		err = json.Unmarshal(text, newest)
	}
	if err != nil {
		return fmt.Errorf("reading the newest survey: %w", err)
	}
	s.last.Store(newest)
	return nil
}
