-- canary writes the canary of the store in two writes.
-- KEYS[1]  the canary
-- Returns {"ok", "", the time when the canary was first written}
-- Guarantees that a server which loses the writes of transitions loses the canary too: Redis
-- propagates several writes of a script as a transaction. A canary that is written again has
-- another time.
--@include store/base
--@include store/reply

local now = ms(clock())
redis.call('HSETNX', KEYS[1], 'born', now)
redis.call('HSET', KEYS[1], 'last', now)
return ok(redis.call('HGET', KEYS[1], 'born'))
