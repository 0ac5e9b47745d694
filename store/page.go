package store

import (
	"context"
	"encoding/base64"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
)

// Page selects a page of a list.
type Page struct {
	Cursor string // where the previous page ended; empty for the first page
	Limit  int    // the maximum number of items
}

// Listing is an index in Redis that a list is read from: a sorted set whose
// members are ordered by their bytes.
type Listing struct {
	Key    string
	Prefix string // restricts the list to the members with this prefix
	Newest bool   // lists the members in descending order
}

// Members returns the members of a page, without the listing's prefix. It returns one
// member more than page.Limit if there is a next page. It reads no entry outside the
// page.
//
// The error is validation_failed for a cursor that CursorAfter did not create.
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

// bounds returns the start and the end of the page at cursor, in the notation of ZRANGE
// BYLEX. With REV, the start is the upper bound. Members without the prefix are out of
// bounds for every cursor.
func (l Listing) bounds(cursor string) (from, to string, err error) {
	from, to = "["+l.Prefix, "("+l.Prefix+"\xff"
	if l.Newest {
		from, to = to, from
	}
	if cursor == "" {
		return from, to, nil
	}
	member, err := ReadCursor(cursor)
	return "(" + l.Prefix + member, to, err
}

// CursorAfter returns the cursor of the page that begins after the given member.
func CursorAfter(member string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(member))
}

// ReadCursor returns the member from which CursorAfter created the cursor, or ErrCursor
// if CursorAfter did not create it.
func ReadCursor(cursor string) (string, error) {
	member, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", ErrCursor
	}
	return string(member), nil
}

// ErrCursor is the validation_failed error for a cursor that CursorAfter did not create.
var ErrCursor = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "The cursor is not a nextCursor of this list. Leave it out to read from the beginning.",
	Fields: []fieldgate.FieldError{{Pointer: "/query/cursor", Keyword: "format", Reason: "must be a nextCursor of this list"}},
}
