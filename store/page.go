package store

import (
	"context"
	"encoding/base64"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
)

// Page asks for a part of a list.
type Page struct {
	Cursor string // where the last page ended; empty for the first
	Limit  int    // items at most
}

// Listing is an index whose members sort by their bytes.
type Listing struct {
	Key    string
	Prefix string // only members that begin with it
	Newest bool   // from the last to the first
}

// Members reads a page of an index, without scanning anything outside it. It
// asks for one more than the limit, which tells the caller whether there is a
// next page. Members come without the prefix. Refusal: validation_failed for a
// cursor that is not ours.
func (s *Store) Members(ctx context.Context, l Listing, page Page) ([]string, error) {
	from, to, err := l.bounds(page.Cursor)
	if err != nil {
		return nil, err
	}
	var members []string
	err = s.Do(ctx, "list", func(ctx context.Context, c Client) (err error) {
		members, err = c.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: l.Key, Start: from, Stop: to, ByLex: true, Rev: l.Newest, Count: int64(page.Limit) + 1,
		}).Result()
		return err
	})
	for i := range members {
		members[i] = members[i][len(l.Prefix):]
	}
	return members, err
}

// bounds say from where to where a page may lie, in the notation of ZRANGE BYLEX,
// whose REV begins at the upper end. No cursor leads out of the prefix.
func (l Listing) bounds(cursor string) (from, to string, err error) {
	from, to = "["+l.Prefix, "("+l.Prefix+"\xff"
	if l.Newest {
		from, to = to, from
	}
	if cursor == "" {
		return from, to, nil
	}
	last, err := ReadCursor(cursor)
	return "(" + l.Prefix + last, to, err
}

// CursorAfter gives the cursor of the page that begins behind a member.
func CursorAfter(member string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(member))
}

// ReadCursor gives the member that a cursor was made of. Refusal:
// validation_failed, which is also ErrCursor's.
func ReadCursor(cursor string) (string, error) {
	last, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", ErrCursor
	}
	return string(last), nil
}

// ErrCursor refuses a cursor that no list gave out.
var ErrCursor = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "The cursor is not one that this list gave out.",
	Fields: []fieldgate.FieldError{{Pointer: "/query/cursor", Keyword: "format", Reason: "must be a nextCursor of this list"}},
}
