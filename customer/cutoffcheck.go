package customer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

var errCutOff = &fault{fieldgate.ReasonCutOff, "the user or the session was cut off after the token was issued"}

// cutOffView holds the cut-offs of a partition as they were when an instance read them. It is not
// changed once it is in CutOffs.views.
type cutOffView struct {
	readAt  time.Time // when the read began
	tenants map[string]tenantCutOffs
}

// tenantCutOffs are the cut-offs of one tenant.
type tenantCutOffs struct {
	version float64              // the score of the tenant in the index of the partition
	times   map[string]time.Time // by CutOff.subject
}

// cutOffRead is a read of one partition that callers of Check wait for.
type cutOffRead struct {
	done chan struct{} // closed when the read has ended
	err  error         // set before done is closed
}

// cutOffLeeway is the time by which the issuer's clock may be ahead of the store's, which tells the
// time of a cut-off. The issuer's clock may be ahead of the gateway's by the leeway, and the
// gateway's ahead of the store's by as much.
const cutOffLeeway = 2 * maxLeeway

// EarliestCutOff returns the earliest time at which a cut-off refuses the principal. A token counts
// as issued before a cut-off up to the leeway after it, because the issuer's clock may be ahead. A
// principal without an issue time is refused by every cut-off.
func (p Principal) EarliestCutOff() time.Time { return p.IssuedAt.Add(-cutOffLeeway) }

// Check returns nil if the principal is not cut off. Errors: user_cut_off,
// and store_unavailable if the cut-offs are not known and cannot be read. It calls the store only if
// its view of the cut-offs is older than MaxAge.
func (c *CutOffs) Check(ctx context.Context, p Principal) error {
	view, err := c.viewOf(ctx, store.PartitionOf(p.Tenant))
	if err != nil {
		return err
	}
	times := view.tenants[p.Tenant].times
	for _, subject := range p.cutOffSubjects() {
		if at, found := times[subject]; found && p.isCutOffAt(at) {
			return refuse(errCutOff)
		}
	}
	return nil
}

// cutOffSubjects returns the subjects of the cut-offs that may refuse the principal.
func (p Principal) cutOffSubjects() []string {
	return []string{subjectOf(p.UserID, ""), subjectOf(p.UserID, p.SessionID)}
}

// isCutOffAt reports whether a cut-off at the given time, of a subject of the principal, refuses it.
func (p Principal) isCutOffAt(at time.Time) bool { return !at.Before(p.EarliestCutOff()) }

// CutOffFinder returns the cut-off that refuses a principal, and reports whether there is one.
type CutOffFinder func(context.Context, Principal) (CutOff, bool, error)

// Find returns the newest cut-off that refuses the principal, and reports whether there is one. Unlike
// Check, it reads the store at each call.
func (c *CutOffs) Find(ctx context.Context, p Principal) (CutOff, bool, error) {
	members, details, err := c.readAll(ctx, p.Tenant)
	if err != nil {
		return CutOff{}, false, fmt.Errorf("reading the cut-offs: %w", err)
	}
	subjects := p.cutOffSubjects()
	for _, m := range members {
		cutOff := detailOf(m, details).cutOff(m)
		if slices.Contains(subjects, cutOff.subject()) && p.isCutOffAt(cutOff.At) {
			return cutOff, true, nil
		}
	}
	return CutOff{}, false, nil
}

// viewOf returns the view of a partition. If it is older than MaxAge, viewOf first reads the
// partition, or waits for a read in progress.
func (c *CutOffs) viewOf(ctx context.Context, p store.Partition) (*cutOffView, error) {
	for {
		now := c.cfg.Now()
		c.used[p].Store(now.UnixMilli())
		if view := c.views[p].Load(); view != nil && now.Sub(view.readAt) < c.cfg.MaxAge {
			return view, nil
		}
		read := c.startOrJoin(ctx, p)
		select {
		case <-read.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the cut-offs: %w", ctx.Err())
		}
		if read.err != nil {
			return nil, fmt.Errorf("reading the cut-offs: %w", read.err)
		}
	}
}

// startOrJoin returns the read of a partition that is in progress, or starts one.
func (c *CutOffs) startOrJoin(ctx context.Context, p store.Partition) *cutOffRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read := c.reads[p]; read != nil {
		return read
	}
	read := &cutOffRead{done: make(chan struct{})}
	c.reads[p] = read
	// Other callers wait for this read too, so it must outlive the first caller's context.
	go func() {
		read.err = c.refresh(context.WithoutCancel(ctx), []store.Partition{p})
		c.mu.Lock()
		delete(c.reads, p)
		c.mu.Unlock()
		close(read.done)
	}()
	return read
}

// gatherFor is the time for which Run waits between two reads. Wake-ups that arrive meanwhile are
// handled by the same read, so that a tenant that cuts off without a pause causes few reads.
const gatherFor = 100 * time.Millisecond

// usedFor is the time after the last Check for which Run polls a partition. It exceeds the interval
// at which realtime re-verifies the users of idle sockets (5 min). Users of other partitions have
// nothing that a cut-off could close, and Check reads an old view again.
const usedFor = 10 * time.Minute

// Run keeps the views up to date until the context ends: that of one partition after a wake-up for a
// tenant, and those of the partitions in use every PollEvery, so that an idle instance reads nothing.
// Of several failures in a row, only the first is logged.
func (c *CutOffs) Run(ctx context.Context) {
	poll := time.NewTicker(c.cfg.PollEvery)
	defer poll.Stop()
	for partitions, failed := allPartitions(), false; ctx.Err() == nil; partitions = c.pause(ctx, poll.C) {
		err := c.refresh(ctx, partitions)
		if err != nil && !failed && ctx.Err() == nil {
			c.cfg.Logger.WarnContext(ctx, "reading the cut-offs of users failed; retrying", "error", err)
		}
		failed = err != nil
	}
}

// pause waits until it is time for the next read, and returns the partitions to read.
func (c *CutOffs) pause(ctx context.Context, poll <-chan time.Time) []store.Partition {
	store.Sleep(ctx, gatherFor)
	select {
	case <-ctx.Done():
	case <-poll:
		return c.partitionsInUse()
	case <-c.woken:
	}
	return c.takePending()
}

// takePending returns the partitions that had wake-ups since the last call.
func (c *CutOffs) takePending() []store.Partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := slices.Collect(maps.Keys(c.pending))
	clear(c.pending)
	return taken
}

// HandleWake handles a wake-up from the store. The process must call it with every wake-up. The
// zero Wake means that wake-ups may have been lost. HandleWake does not block.
func (c *CutOffs) HandleWake(w store.Wake) {
	if w == (store.Wake{}) {
		c.wake(allPartitions()...)
	} else if w.CutOff {
		c.wake(store.PartitionOf(w.Tenant))
	}
}

// wake asks Run to read partitions.
func (c *CutOffs) wake(partitions ...store.Partition) {
	c.mu.Lock()
	for _, p := range partitions {
		c.pending[p] = true
	}
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// partitionsInUse returns the partitions of which Check has used the view within usedFor.
func (c *CutOffs) partitionsInUse() []store.Partition {
	since := c.cfg.Now().Add(-usedFor).UnixMilli()
	return slices.DeleteFunc(allPartitions(), func(p store.Partition) bool { return c.used[p].Load() < since })
}

func allPartitions() []store.Partition {
	all := make([]store.Partition, store.Partitions)
	for i := range all {
		all[i] = store.Partition(i)
	}
	return all
}

// refresh renews the views of partitions. It reads the index of each, and the cut-offs of the
// tenants whose score has changed. If some partitions cannot be read, refresh renews the others and
// returns the error.
func (c *CutOffs) refresh(ctx context.Context, partitions []store.Partition) error {
	if len(partitions) == 0 {
		return nil
	}
	started := c.cfg.Now()
	indexes, err := c.readIndexes(ctx, partitions)
	changed := c.changedTenants(indexes)
	if len(changed) > 0 {
		read, failed := c.readTenants(ctx, changed)
		if failed != nil {
			return failed
		}
		changed = read
	}
	for p, index := range indexes {
		c.renew(p, c.newView(started, p, index, changed))
	}
	for tenant := range changed {
		c.cfg.Changed(tenant)
	}
	return err
}

// readIndexes reads the tenants of partitions that have cut-offs, with their scores. It sends one
// pipeline. If some partitions cannot be read, it returns the others together with the error.
func (c *CutOffs) readIndexes(ctx context.Context, partitions []store.Partition) (map[store.Partition][]redis.Z, error) {
	indexes := make(map[store.Partition][]redis.Z, len(partitions))
	err := c.store.Do(ctx, "read_cut_off_tenants", func(ctx context.Context, client store.Client) error {
		pipe := client.Pipeline()
		replies := make([]*redis.ZSliceCmd, len(partitions))
		for i, p := range partitions {
			replies[i] = pipe.ZRangeWithScores(ctx, p.CutOffTenantsKey(), 0, -1)
		}
		_, err := pipe.Exec(ctx)
		for i, reply := range replies {
			if reply.Err() == nil {
				indexes[partitions[i]] = reply.Val()
			}
		}
		return err
	})
	return indexes, err
}

// changedTenants returns the tenants whose score differs from that in the view.
func (c *CutOffs) changedTenants(indexes map[store.Partition][]redis.Z) map[string]tenantCutOffs {
	changed := map[string]tenantCutOffs{}
	for p, index := range indexes {
		view := c.views[p].Load()
		for _, m := range index {
			tenant, _ := m.Member.(string)
			if view == nil || view.tenants[tenant].version != m.Score {
				changed[tenant] = tenantCutOffs{version: m.Score}
			}
		}
	}
	return changed
}

// readTenants reads the cut-offs of tenants.
func (c *CutOffs) readTenants(ctx context.Context, tenants map[string]tenantCutOffs) (map[string]tenantCutOffs, error) {
	replies := make(map[string]*redis.ZSliceCmd, len(tenants))
	err := c.store.Do(ctx, "read_cut_offs", func(ctx context.Context, client store.Client) error {
		pipe := client.Pipeline()
		for tenant := range tenants {
			replies[tenant] = pipe.ZRangeWithScores(ctx, store.Tenant(tenant).CutOffsKey(), 0, -1)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	read := make(map[string]tenantCutOffs, len(tenants))
	for tenant, reply := range replies {
		read[tenant] = tenantCutOffs{version: tenants[tenant].version, times: timesOf(reply.Val())}
	}
	return read, nil
}

func timesOf(members []redis.Z) map[string]time.Time {
	times := make(map[string]time.Time, len(members))
	for _, m := range members {
		subject, _ := m.Member.(string)
		times[subject] = time.UnixMilli(int64(m.Score))
	}
	return times
}

// newView returns the view of a partition with the tenants of its index. The cut-offs of a tenant
// that has not changed are those of the last view.
func (c *CutOffs) newView(readAt time.Time, p store.Partition, index []redis.Z, changed map[string]tenantCutOffs) *cutOffView {
	view := &cutOffView{readAt: readAt}
	if len(index) == 0 {
		return view
	}
	view.tenants = make(map[string]tenantCutOffs, len(index))
	last := c.views[p].Load()
	for _, m := range index {
		tenant, _ := m.Member.(string)
		if own, found := changed[tenant]; found {
			view.tenants[tenant] = own
		} else if last != nil {
			view.tenants[tenant] = last.tenants[tenant]
		}
	}
	return view
}

// renew replaces the view of a partition, unless a later read has replaced it already.
func (c *CutOffs) renew(p store.Partition, view *cutOffView) {
	for {
		last := c.views[p].Load()
		if last != nil && last.readAt.After(view.readAt) || c.views[p].CompareAndSwap(last, view) {
			return
		}
	}
}
