package customer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

var cutOffScript = Scripts.Script("lua/cut_off.lua")

const (
	// MaxCutOffs is the number of cut-offs that the admins of a tenant may have at the same time.
	// The operator may have twice as many, so that an admin cannot prevent a cut-off by using
	// them up.
	MaxCutOffs = 1000

	// cutOffMargin is added to the maximum lifetime of a token. It covers the leeway for cut-offs, and
	// the differences between the clocks of the instances and of the store.
	cutOffMargin = 5 * time.Minute
)

// CutOff refuses the tokens of a user that were issued before it, or only those of one session of the
// user at the issuer.
type CutOff struct {
	UserID    string    // the claim sub of the tokens
	SessionID string    // the claim session_id; empty for all sessions of the user
	At        time.Time // by the store's clock
	By        string    // id of the user or operator who cut off
	Names     fieldgate.Names
	Reason    string
}

// CutOffRequest cuts a user of a tenant off, or one of the user's sessions.
type CutOffRequest struct {
	Tenant    string
	UserID    string
	SessionID string // empty for all sessions of the user
	Reason    string
	By        string // id of the user or operator who cuts off
	Names     fieldgate.Names
	RequestID string
	Operator  bool // the request is one of the operator
}

// CutOffConfig configures CutOffs. Store is required.
type CutOffConfig struct {
	// Store keeps the cut-offs for all instances.
	Store *store.Store

	// MaxLifetime is the maximum lifetime of the tokens that the gateway accepts. A cut-off is
	// kept for that long, and for at least DefaultMaxLifetime.
	MaxLifetime time.Duration

	// MaxAge is the maximum age of what an instance knows about the cut-offs of a tenant when it
	// checks a token of the tenant. An older view is read again first. Default: 5 s.
	MaxAge time.Duration

	// PollEvery is the interval at which Run reads the cut-offs of the partitions in use without a
	// wake-up, because a wake-up may be lost. Default: 2 s.
	PollEvery time.Duration

	// Changed is called for each tenant whose cut-offs have changed, once Check knows them. It
	// must not block. Default: nothing is done.
	Changed func(tenant string)

	// Now returns the current time, by which MaxAge is measured. Default: time.Now.
	Now func() time.Time

	// Logger logs failed reads. Default: slog.Default().
	Logger *slog.Logger
}

// CutOffs cuts users off, and reports who is cut off. It is safe for concurrent use.
//
// Each instance has a view of the cut-offs of all tenants, so that Check needs no round trip. A
// wake-up renews the view at once. If it is lost, Run renews the view within PollEvery. If Run
// cannot, Check reads the store, and returns its error: an instance that cannot know whether a
// user is cut off refuses the user.
type CutOffs struct {
	store *store.Store
	cfg   CutOffConfig
	views [store.Partitions]atomic.Pointer[cutOffView]
	used  [store.Partitions]atomic.Int64 // time of the last Check of a partition, in Unix ms
	woken chan struct{}                  // has a value if a wake-up has arrived since the last read of Run

	mu      sync.Mutex // guards reads and pending
	reads   map[store.Partition]*cutOffRead
	pending map[store.Partition]bool // those that had wake-ups since the last read of Run
}

// NewCutOffs returns CutOffs with the given configuration. The caller should also call Run.
func NewCutOffs(cfg CutOffConfig) *CutOffs {
	cfg.MaxLifetime = max(cfg.MaxLifetime, DefaultMaxLifetime)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, 5*time.Second)
	cfg.PollEvery = cmp.Or(cfg.PollEvery, 2*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Changed == nil {
		cfg.Changed = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &CutOffs{
		store: cfg.Store, cfg: cfg, woken: make(chan struct{}, 1),
		reads: map[store.Partition]*cutOffRead{}, pending: map[store.Partition]bool{},
	}
}

// keep returns the time for which a cut-off is kept. Every token that it refuses has expired then.
func (c *CutOffs) keep() time.Duration { return c.cfg.MaxLifetime + cutOffMargin }

// CutOff refuses all tokens of a user or a session that were issued before now, on all instances.
// Errors: validation_failed for an id that no token could have, quota_exceeded.
func (c *CutOffs) CutOff(ctx context.Context, r CutOffRequest) (CutOff, error) {
	if err := r.Check(); err != nil {
		return CutOff{}, err
	}
	limit := MaxCutOffs
	if r.Operator {
		limit = 2 * MaxCutOffs
	}
	t := store.Tenant(r.Tenant)
	keys := []string{t.CutOffsKey(), t.CutOffDetailsKey(), store.PartitionOf(r.Tenant).CutOffTenantsKey(), t.StreamKey()}
	reply, err := c.store.Run(ctx, cutOffScript, keys, r.Tenant, store.ActorUser(r.By), r.RequestID,
		r.UserID, r.SessionID, r.Reason, c.keep().Milliseconds(), limit, r.Names.Name, r.Names.Email)
	if err != nil {
		return CutOff{}, fmt.Errorf("cutting off: %w", err)
	}
	if err := refusal.Of(reply); err != nil {
		return CutOff{}, err
	}
	// The caller may use the view of this instance next. If it cannot be renewed now, Run does it.
	if c.refresh(ctx, []store.Partition{store.PartitionOf(r.Tenant)}) != nil {
		c.wake(store.PartitionOf(r.Tenant))
	}
	return CutOff{
		UserID: r.UserID, SessionID: r.SessionID, At: store.ParseTime(reply.String(2)), By: r.By, Names: r.Names, Reason: r.Reason,
	}, nil
}

// Check returns validation_failed for an id that no accepted token could have.
func (r CutOffRequest) Check() error {
	switch {
	case !userIDPattern.MatchString(r.UserID):
		return invalidCutOff("/path/userId", "must be the id of a user, the claim sub of a token")
	case !sessionIDPattern.MatchString(r.SessionID):
		return invalidCutOff("/sessionId", "must be the id of a session, the claim session_id of a token")
	}
	return nil
}

func invalidCutOff(pointer, reason string) error {
	return &fieldgate.Error{
		Code:   fieldgate.CodeValidationFailed,
		Detail: "The cut-off names no user and no session that a token could have: correct the id.",
		Fields: []fieldgate.FieldError{{Pointer: pointer, Keyword: "pattern", Reason: reason}},
	}
}

// List returns a page of the tenant's cut-offs, the newest first, and the cursor of the next page.
func (c *CutOffs) List(ctx context.Context, tenant string, page store.Page) (list []CutOff, next string, err error) {
	after, err := store.ReadCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	members, details, err := c.readAll(ctx, tenant)
	if err != nil {
		return nil, "", fmt.Errorf("listing cut-offs: %w", err)
	}
	for _, m := range members {
		position := cutOffPosition(m)
		detail := detailOf(m, details)
		if after != "" && position >= after || c.isOver(m, detail) {
			continue
		}
		if len(list) == page.Limit {
			last := list[page.Limit-1]
			return list, store.CursorAfter(cutOffPosition(redis.Z{Score: float64(last.At.UnixMilli()), Member: last.subject()})), nil
		}
		list = append(list, detail.cutOff(m))
	}
	return list, "", nil
}

// readAll reads all cut-offs of a tenant, the newest first, and their details. There are at most
// twice MaxCutOffs.
func (c *CutOffs) readAll(ctx context.Context, tenant string) (members []redis.Z, details map[string]string, err error) {
	t := store.Tenant(tenant)
	err = c.store.Do(ctx, "list_cut_offs", func(ctx context.Context, client store.Client) error {
		pipe := client.Pipeline()
		byTime := pipe.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: t.CutOffsKey(), Start: 0, Stop: -1, Rev: true})
		fields := pipe.HGetAll(ctx, t.CutOffDetailsKey())
		_, err := pipe.Exec(ctx)
		members, details = byTime.Val(), fields.Val()
		return err
	})
	return members, details, err
}

// cutOffDetail is the record of a cut-off beside its time.
type cutOffDetail struct {
	By, Name, Email, Reason string
	Expires                 int64 // Unix ms until which it is kept at least, whatever the lifetime is now
}

// detailOf returns the details of a cut-off. Those that cannot be read are left out.
func detailOf(m redis.Z, details map[string]string) (detail cutOffDetail) {
	subject, _ := m.Member.(string)
	_ = json.Unmarshal([]byte(details[subject]), &detail)
	return detail
}

// isOver reports whether every token that a cut-off refuses has expired.
func (c *CutOffs) isOver(m redis.Z, detail cutOffDetail) bool {
	return c.cfg.Now().UnixMilli() > max(int64(m.Score)+c.keep().Milliseconds(), detail.Expires)
}

// cutOffPosition returns the position of a cut-off in the list, as text that sorts like the list.
func cutOffPosition(m redis.Z) string { return fmt.Sprintf("%020d %s", int64(m.Score), m.Member) }

func (o CutOff) subject() string { return subjectOf(o.UserID, o.SessionID) }

// subjectOf returns the member of a tenant's cut-offs for a user, or for one of the user's sessions if
// session is not empty. The Lua function cut_off_subject returns the same.
func subjectOf(user, session string) string {
	if session == "" {
		return store.ActorUser(user)
	}
	return store.ActorUser(user) + " " + session
}

// cutOff returns the cut-off of a member of the tenant's cut-offs.
func (d cutOffDetail) cutOff(m redis.Z) CutOff {
	subject, _ := m.Member.(string)
	actor, session, _ := strings.Cut(subject, " ")
	return CutOff{
		UserID: store.ActorID(actor), SessionID: session, At: store.ParseTime(strconv.FormatInt(int64(m.Score), 10)),
		By: store.ActorID(d.By), Names: fieldgate.Names{Name: d.Name, Email: d.Email}, Reason: d.Reason,
	}
}
