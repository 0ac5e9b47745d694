package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// TimeListing is an index in Redis that is listed from the newest member to the oldest: a sorted set
// whose scores are times in Unix milliseconds.
type TimeListing struct {
	Key   string
	Since time.Time // lists no earlier members; zero for no bound
	Until time.Time // lists only earlier members; zero for no bound
}

// TimedMember is a member of a TimeListing.
type TimedMember struct {
	Member string
	millis int64
}

// Cursor returns the cursor of the page that begins after the member.
func (m TimedMember) Cursor() string {
	return CursorAfter(strconv.FormatInt(m.millis, 10) + " " + m.Member)
}

// Newest returns the members of a page, the newest first. It returns one member more than page.Limit
// if there is a next page. Members of the same time are in descending order.
//
// The error is ErrCursor for a cursor that TimedMember.Cursor did not create.
func (s *Store) Newest(ctx context.Context, l TimeListing, page Page) (found []TimedMember, err error) {
	after, err := readTimedCursor(page.Cursor)
	if err != nil {
		return nil, err
	}
	for offset := 0; len(found) <= page.Limit; offset += page.Limit + 1 {
		batch, err := s.readNewest(ctx, l.rangeFrom(after), offset, page.Limit+1)
		if err != nil {
			return nil, err
		}
		for _, z := range batch {
			m := TimedMember{Member: z.Member.(string), millis: int64(z.Score)}
			if after == nil || m.isAfter(*after) {
				found = append(found, m)
			}
		}
		if len(batch) <= page.Limit {
			break
		}
	}
	return found[:min(len(found), page.Limit+1)], nil
}

// isAfter reports whether m follows other in a list. A page is read from the time of the cursor on,
// because several members may have that time.
func (m TimedMember) isAfter(other TimedMember) bool {
	return m.millis < other.millis || m.millis == other.millis && m.Member < other.Member
}

func (s *Store) readNewest(ctx context.Context, bounds redis.ZRangeArgs, offset, count int) (batch []redis.Z, err error) {
	bounds.Offset, bounds.Count = int64(offset), int64(count)
	err = s.Do(ctx, "list_newest", func(ctx context.Context, c Client) error {
		batch, err = c.ZRangeArgsWithScores(ctx, bounds).Result()
		return err
	})
	return batch, err
}

// rangeFrom returns the range of scores of the pages after a member, or of all pages if after is nil.
func (l TimeListing) rangeFrom(after *TimedMember) redis.ZRangeArgs {
	bounds := redis.ZRangeArgs{Key: l.Key, ByScore: true, Rev: true, Start: "+inf", Stop: "-inf"}
	if !l.Since.IsZero() {
		bounds.Stop = strconv.FormatInt(firstMilli(l.Since), 10)
	}
	if !l.Until.IsZero() {
		bounds.Start = "(" + strconv.FormatInt(firstMilli(l.Until), 10)
	}
	if after != nil {
		bounds.Start = strconv.FormatInt(after.millis, 10)
	}
	return bounds
}

// firstMilli returns the first millisecond that is not before t.
func firstMilli(t time.Time) int64 { return t.Add(time.Millisecond - time.Nanosecond).UnixMilli() }

// readTimedCursor returns the member from which TimedMember.Cursor created a cursor. It returns nil
// for no cursor.
func readTimedCursor(cursor string) (*TimedMember, error) {
	if cursor == "" {
		return nil, nil
	}
	text, err := ReadCursor(cursor)
	if err != nil {
		return nil, err
	}
	millis, member, found := strings.Cut(text, " ")
	n, err := strconv.ParseInt(millis, 10, 64)
	if !found || err != nil {
		return nil, ErrCursor
	}
	return &TimedMember{Member: member, millis: n}, nil
}
