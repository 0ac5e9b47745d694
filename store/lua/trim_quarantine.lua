-- trim_quarantine removes the oldest entries of a quarantine that is too long.
-- KEYS[1]  the partition's quarantine
-- ARGV[1]  maximum number of entries to keep
-- ARGV[2]  maximum number of entries to remove
-- Returns {"ok", "", {entry...}}: the removed entries
-- Guarantees that the newest entries stay, however many instances trim at once.
--@include store/reply
local quarantine_key = KEYS[1]
local bound, batch = tonumber(ARGV[1]), tonumber(ARGV[2])

local excess = math.min(redis.call('LLEN', quarantine_key) - bound, batch)
if excess <= 0 then
  return ok({})
end
return ok(redis.call('LPOP', quarantine_key, excess))
