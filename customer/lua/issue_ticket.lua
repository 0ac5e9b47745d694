-- issue_ticket stores a ticket until it is redeemed or expires.
-- KEYS[1]  the ticket
-- ARGV[1]  the ticket's record
-- ARGV[2]  maximum lifetime of the ticket, in ms
-- ARGV[3]  expiry of the access token for which the ticket is issued, in Unix ms
-- Returns {"ok", "", expiry of the ticket in Unix ms}
-- Refuses with unauthorized if the access token has expired
-- Guarantees that no ticket outlives the access token for which it was issued.
--@include store/base
--@include store/reply
local ticket_key = KEYS[1]
local record, lifetime, token_expires = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()

local ttl = math.min(lifetime, token_expires - now)
if ttl <= 0 then
  return refuse('unauthorized')
end
redis.call('SET', ticket_key, record, 'PX', ms(ttl))
return ok(now + ttl)
