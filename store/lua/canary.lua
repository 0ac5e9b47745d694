-- canary writes the canary of the store in two writes.
-- KEYS[1]  the canary
-- Returns {"ok", ""}
-- Guarantees that a server which loses the writes of transitions loses the canary too. Redis
-- propagates several writes of a script as a transaction.
--@include store/base
--@include store/reply

local now = ms(clock())
redis.call('HSET', KEYS[1], 'first', now)
redis.call('HSET', KEYS[1], 'second', now)
return ok()
