package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"
)

// eachPage is the number of items that All reads in one page, and Pages too.
const eachPage = 200

// All returns an iterator over the items of all pages of a list. After an error it yields the
// error and ends.
func All[T any](list func(Page) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := (Page{Limit: eachPage}); ; {
			items, next, err := list(page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			page.Cursor = next
		}
	}
}

// Pages returns an iterator over the pages of an index, of at most 200 members each. A member that
// is added meanwhile may be left out.
func (s *Store) Pages(ctx context.Context, l Listing) iter.Seq2[[]string, error] {
	return All(func(page Page) (pages [][]string, next string, err error) {
		members, err := s.Members(ctx, l, page)
		if len(members) > page.Limit {
			members = members[:page.Limit]
			next = CursorAfter(members[page.Limit-1])
		}
		return [][]string{members}, next, err
	})
}

// Each returns an iterator over the members of an index. It reads them like Pages.
func (s *Store) Each(ctx context.Context, l Listing) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for members, err := range s.Pages(ctx, l) {
			if err != nil {
				yield("", err)
				return
			}
			for _, member := range members {
				if !yield(member, nil) {
					return
				}
			}
		}
	}
}

// Tenants returns an iterator over the tenants that have devices, partition by partition. Other
// tenants have neither sessions nor commands. Partitions without tenants cost one round trip together.
func (s *Store) Tenants(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		inhabited, err := s.inhabited(ctx)
		if err != nil {
			yield("", fmt.Errorf("counting the tenants: %w", err))
			return
		}
		for _, p := range inhabited {
			for tenant, err := range s.TenantsIn(ctx, p) {
				if !yield(tenant, err) || err != nil {
					return
				}
			}
		}
	}
}

// inhabited returns the partitions that have tenants.
func (s *Store) inhabited(ctx context.Context) (found []Partition, err error) {
	counts := make([]*redis.IntCmd, Partitions)
	err = s.Do(ctx, "count_tenants", func(ctx context.Context, c Client) error {
		pipe := c.Pipeline()
		for p := range counts {
			counts[p] = pipe.ZCard(ctx, Partition(p).TenantsKey())
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	for p, count := range counts {
		if count.Val() > 0 {
			found = append(found, Partition(p))
		}
	}
	return found, err
}

// TenantsIn is Tenants for one partition.
func (s *Store) TenantsIn(ctx context.Context, p Partition) iter.Seq2[string, error] {
	return s.Each(ctx, Listing{Key: p.TenantsKey()})
}

// Owner returns the tenant that a record names, for a caller that may see every tenant. The key
// is that of the record. Owner returns "" if there is no such record.
func (s *Store) Owner(ctx context.Context, key string) (tenant string, err error) {
	err = s.Do(ctx, "read_owner", func(ctx context.Context, c Client) (err error) {
		tenant, err = c.HGet(ctx, key, "tenant").Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("reading the tenant of a record: %w", err)
	}
	return tenant, nil
}
