-- Uses a ticket up.
-- KEYS  1 the ticket
-- Returns {"ok", what it stands for}, or {"unauthorized"} when there is no such
--       ticket, or not any more
-- Guarantees that of all who show a ticket, one is told what it stands for.
local ticket = redis.call('GETDEL', KEYS[1])
if not ticket then
  return { 'unauthorized' }
end
return { 'ok', ticket }
