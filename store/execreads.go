package store

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// WrongType is the first word of the error that Redis returns if the value of a key does not have the
// type that the Redis command requires.
const WrongType = "WRONGTYPE"

// ExecReads sends a pipeline of reads and returns its first error, except redis.Nil and the replies
// that begin with a tolerated prefix. Exec itself returns the error of the first command that has one,
// so that a missing key hides the failure of another node.
func ExecReads(ctx context.Context, pipe redis.Pipeliner, tolerated ...string) error {
	commands, err := pipe.Exec(ctx)
	isHarmless := func(err error) bool {
		return err == nil || errors.Is(err, redis.Nil) ||
			slices.ContainsFunc(tolerated, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
	}
	for _, command := range commands {
		if err := command.Err(); !isHarmless(err) {
			return err
		}
	}
	if isHarmless(err) {
		return nil
	}
	return err
}
