-- redeem_ticket reads and deletes a ticket.
-- KEYS[1]  the ticket
-- Returns {"ok", "", the ticket's record}
-- Refuses with unauthorized if the ticket is unknown, expired or already redeemed
-- Guarantees that a ticket is redeemed only once, even if several requests present it.
--@include store/reply
local ticket_key = KEYS[1]

local record = redis.call('GETDEL', ticket_key)
if not record then
  return refuse('unauthorized')
end
return ok(record)
