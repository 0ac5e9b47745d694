-- read_sessions reads sessions, with the time by which they have expired or not.
-- KEYS  the sessions' records
-- Returns {"ok", "", now, {{name, value...}...}}: a list for each key, empty for a missing
--       record, and {"unreadable"} for a key that holds something else
-- Guarantees that a damaged record does not hide the others.
--@include store/base
--@include store/reply
local records = {}
for i, key in ipairs(KEYS) do
  local fields = redis.pcall('HGETALL', key)
  records[i] = fields.err and { 'unreadable' } or fields
end
return ok(ms(clock()), records)
