-- Reads sessions, and the clock by which they are over or not.
-- KEYS  the sessions' records
-- Returns {"ok", now, {name, value...}...}: a list for each key, empty for what
--       is missing
--@include device
local reply = { 'ok', ms(clock()) }
for i, key in ipairs(KEYS) do
  reply[i + 2] = redis.call('HGETALL', key)
end
return reply
