-- Reads sessions, and the clock by which they are over or not.
-- KEYS  the sessions' records
-- Returns {"ok", now, {name, value...}...}: a list for each key, empty for what
--       is missing, and {"unreadable"} for what is no record
-- Guarantees that one record which is damaged keeps nobody from the others.
--@include store/device
local reply = { 'ok', ms(clock()) }
for i, key in ipairs(KEYS) do
  local fields = redis.pcall('HGETALL', key)
  reply[i + 2] = fields.err and { 'unreadable' } or fields
end
return reply
