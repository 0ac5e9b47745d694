package storetest

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// StateJSON returns the stored state of a command as JSON. The server unpacks a packed one.
func StateJSON(ctx context.Context, c redis.Cmdable, raw string) (string, error) {
	if strings.HasPrefix(raw, "{") {
		return raw, nil
	}
	return c.Eval(ctx, `return cjson.encode(cmsgpack.unpack(ARGV[1]))`, nil, raw).Text()
}
