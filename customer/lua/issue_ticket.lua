-- issue_ticket stores a ticket until it is redeemed.
-- KEYS  1 the ticket
-- ARGV  1 the ticket's record, 2 ms that it is valid, 3 expiry in Unix ms of the token that
--       it was issued for
-- Returns {"ok", "", end of its validity in Unix ms}
-- Refuses with unauthorized and the reason expired when that token has expired
-- Guarantees that no ticket outlives the token that it was issued for.
--@include store/base
--@include store/reply
local ticket_key = KEYS[1]
local record, lifetime, token_expires = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()

local ttl = math.min(lifetime, token_expires - now)
if ttl <= 0 then
  return refuse('unauthorized', 'expired')
end
redis.call('SET', ticket_key, record, 'PX', ms(ttl))
return ok(now + ttl)
