-- read_sessions reads sessions and the store's time, which shows whether they have expired.
-- KEYS[1...]  the sessions' records
-- Returns {"ok", "", now, {{name, value...}...}}: one list for each key; the list is empty if
--       the key does not exist, and {"unreadable"} if the key does not hold a hash
-- Guarantees that a damaged record does not hide the others.
--@include store/base
--@include store/reply
local records = {}
for i, key in ipairs(KEYS) do
  local fields = redis.pcall('HGETALL', key)
  records[i] = fields.err and { 'unreadable' } or fields
end
return ok(ms(clock()), records)
