-- redeem_ticket reads and deletes a ticket.
-- KEYS  1 the ticket
-- Returns {"ok", "", the ticket's record}
-- Refuses with unauthorized and the reason unknown when the ticket is unknown, expired or
--       redeemed
-- Guarantees that a ticket is redeemed once, however many requests show it.
--@include store/reply
local ticket_key = KEYS[1]

local record = redis.call('GETDEL', ticket_key)
if not record then
  return refuse('unauthorized', 'unknown')
end
return ok(record)
